package trap

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// done is the answer about a call that was done for a process: what the call returns.
type done int64

func (d done) Error() string { return fmt.Sprintf("done, %d", int64(d)) }

// Short does only half of a read or a write, as signals, full disks and network file systems
// may. Other calls, and those of one byte, are done as they are.
func Short(c Call) error {
	n := int(c.args[2]) / 2
	var do func(fd int, p []byte) (int, error)
	switch c.Nr {
	case unix.SYS_READ:
		do = unix.Read
	case unix.SYS_PREAD64:
		do = func(fd int, p []byte) (int, error) { return unix.Pread(fd, p, int64(c.args[3])) }
	case unix.SYS_WRITE:
		do = unix.Write
	case unix.SYS_PWRITE64:
		do = func(fd int, p []byte) (int, error) { return unix.Pwrite(fd, p, int64(c.args[3])) }
	}
	if do == nil || n == 0 {
		return nil
	}
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", c.pid), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer memory.Close()
	fd, err := c.borrow()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if kind, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)); strings.Contains(kind, "eventfd") {
		return nil // which has no halves; the runtime of Go ends the program if it sees one
	}
	p := make([]byte, n)
	if writes := c.Nr == unix.SYS_WRITE || c.Nr == unix.SYS_PWRITE64; writes {
		if _, err := memory.ReadAt(p, int64(c.args[1])); err != nil {
			return err
		}
	}
	n, err = do(fd, p)
	if err != nil {
		return err // what the call would have failed with
	}
	if c.Nr == unix.SYS_READ || c.Nr == unix.SYS_PREAD64 {
		if _, err := memory.WriteAt(p[:n], int64(c.args[1])); err != nil {
			return err
		}
	}
	return done(n)
}

// borrow returns a descriptor for the file of the call, with the same offset.
func (c Call) borrow() (fd int, err error) {
	process, err := unix.PidfdOpen(c.process(), 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(process)
	return unix.PidfdGetfd(process, int(int32(c.args[0])), 0)
}

// process returns the process of the thread that makes the call.
func (c Call) process() int {
	status, err := os.Open(fmt.Sprintf("/proc/%d/status", c.pid))
	if err != nil {
		return int(c.pid)
	}
	defer status.Close()
	for lines := bufio.NewScanner(status); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "Tgid:"); ok {
			id, _ := strconv.Atoi(strings.TrimSpace(text))
			return id
		}
	}
	return int(c.pid)
}
