// Package fd lends the descriptor of an open file to the system calls that package os
// does not have.
package fd

import (
	"os"
	"strconv"
)

// Use calls do with the descriptor of f and returns its error. Until do returns, the
// descriptor stays that of f, even if another goroutine closes f or nothing refers to f
// any more; os.File.Fd promises neither. If f is closed already, Use returns an error
// and does not call do.
func Use(f *os.File, do func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := conn.Control(func(fd uintptr) { failed = do(int(fd)) }); err != nil {
		return err
	}
	return failed
}

// Path returns the name by which this process finds the file behind a descriptor, also
// one that has no other name: it can be opened again, and linked to a name
// (proc_pid_fd(5)).
func Path(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }
