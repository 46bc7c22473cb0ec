package terminal

import (
	"os"

	"golang.org/x/sys/unix"
)

// Is reports whether f is a terminal, of whatever kind.
func Is(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
