package terminal

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Claim takes a terminal for drawing, until it is released: several processes of a pipe have the
// same one. ok is false if another one draws on it, or it cannot be told.
func Claim(f *os.File) (release func(), ok bool) {
	// A lock belongs to an open file, and the stages of a pipe share theirs.
	own, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), os.O_WRONLY|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, false
	}
	if err := unix.Flock(int(own.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		own.Close()
		return nil, false
	}
	return func() { own.Close() }, true
}

// Columns returns how wide a terminal is, 0 if that is not known.
func Columns(f *os.File) int {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
}
