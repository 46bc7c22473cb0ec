package trap

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
)

// changing are the calls of which some or all are trapped if a test does not choose; see
// makeFilter.
var changing = []int{
	unix.SYS_LINKAT, unix.SYS_SYMLINKAT, unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2, unix.SYS_UNLINKAT, unix.SYS_MKDIRAT,
	unix.SYS_SYNCFS, unix.SYS_FSYNC, unix.SYS_FCHMOD, unix.SYS_FCHMODAT, unix.SYS_OPENAT, unix.SYS_WRITE, unix.SYS_IOCTL,
}

// following are calls of which a thread makes one soon. None of them is one that the Go
// runtime may make between trapping itself and sending the listener.
var following = []int{
	unix.SYS_READ, unix.SYS_PREAD64, unix.SYS_FSTAT, unix.SYS_NEWFSTATAT, unix.SYS_READLINKAT, unix.SYS_GETDENTS64, unix.SYS_LSEEK,
	unix.SYS_FLOCK, unix.SYS_CLOSE, unix.SYS_EXIT_GROUP,
}

// changes reports whether a call is one that Run traps.
func (c Call) changes() bool {
	switch c.Nr {
	case unix.SYS_OPENAT:
		return c.args[2]&(unix.O_CREAT|unix.O_TMPFILE&^unix.O_DIRECTORY) != 0
	case unix.SYS_WRITE:
		return c.args[0] == 1
	case unix.SYS_IOCTL:
		return uint32(c.args[1]) == unix.FS_IOC_ENABLE_VERITY
	}
	return slices.Contains(changing, c.Nr)
}

// KillAfter runs sh code as Run does, and kills all of it when the n-th call by which a tool
// changes something, counted from 1, has been done: before the thread that made it makes
// another one, before another thread changes something, and before the tool ends. It returns
// whether it came to that.
func KillAfter(t testing.TB, code string, env []string, n int) (r cmdtest.Result, killed bool) {
	t.Helper()
	count, thread := 0, uint32(0)
	r = RunAt(t, code, env, slices.Concat(changing, following), func(c Call) error {
		if killed || thread != 0 && (c.pid == thread || c.changes() || c.Nr == unix.SYS_EXIT_GROUP) {
			killed = true
			return Kill(c)
		}
		if c.changes() {
			if count++; count == n {
				thread = c.pid
			}
		}
		return nil
	})
	return r, killed
}
