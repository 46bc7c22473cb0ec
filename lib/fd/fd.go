// Package fd passes the descriptor of an open file to system calls that package os does not have.
package fd

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// maxTries is how often a call is made that is interrupted each time.
const maxTries = 100

// Use calls do with the descriptor of f and returns its error. Until do returns, the
// descriptor stays that of f, even if another goroutine closes f or nothing refers to f
// any more; os.File.Fd promises neither. If f is closed already, Use returns an error
// and does not call do. A call that a signal has interrupted is made again, as package os
// does: the signals of the Go runtime are no concern of callers.
func Use(f *os.File, do func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = conn.Control(func(fd uintptr) {
		for range maxTries {
			if failed = do(int(fd)); failed != unix.EINTR {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	return failed
}

// ReadDir lists an open directory, in no certain order. The entries have a name and a type,
// and no more. If the directory was opened in an os.Root, its own ReadDir makes a system call
// for each entry; this does not. After an error the list is not complete.
func ReadDir(d *os.File) (list []os.DirEntry, err error) {
	err = Use(d, func(n int) error {
		n, err := unix.FcntlInt(uintptr(n), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return os.NewSyscallError("dup", err)
		}
		same := os.NewFile(uintptr(n), d.Name())
		defer same.Close()
		list, err = same.ReadDir(-1)
		return err
	})
	return list, err
}

// Path returns the name by which this process finds the file behind a descriptor, also
// one that has no other name: it can be opened again, and linked to a name
// (proc_pid_fd(5)).
func Path(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }
