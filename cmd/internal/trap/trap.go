// Package trap runs shell code in which the tools are stopped before each system call that
// changes something, or before all calls of certain kinds. There a test can kill them, or let the
// call fail. It needs no privileges: the calls are intercepted with seccomp_unotify(2).
package trap

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
)

// Call is a system call that a tool is about to do. If a test does not choose, it is one
// that makes, names or removes a file, makes one durable, or writes a record.
type Call struct {
	Tool    string // by name
	Group   int    // of processes: that of all of the shell code
	Nr      int    // which call it is, as unix.SYS_WRITE
	Tmpfile string // where it makes a file without a name; "" if it does not

	pid  uint32 // of the thread
	args [6]uint64
}

// Before decides about a call before it is done. If it returns a unix.Errno, the call
// is not done and fails with it; if it returns what Short does, half of it is done; if it
// returns ErrDead, nobody waits for an answer any more. Other errors fail the test.
type Before func(Call) error

// ErrDead is the answer about a call whose process was just killed.
var ErrDead = errors.New("killed")

// Run runs sh code in an environment, and asks before each call of a tool in it, one
// after the other. It skips the test where nothing can be trapped. The package needs a
// TestMain that calls Main.
func Run(t testing.TB, code string, env []string, before Before) cmdtest.Result {
	t.Helper()
	return start(t, code, append(env, mainEnv+"=1"), before)
}

// RunAt is Run for all calls of some kinds, of which each is a number as unix.SYS_READ.
func RunAt(t testing.TB, code string, env []string, kinds []int, before Before) cmdtest.Result {
	t.Helper()
	var list []string
	for _, nr := range kinds {
		list = append(list, strconv.Itoa(nr))
	}
	return start(t, code, append(env, mainEnv+"="+strings.Join(list, ",")), before)
}

func start(t testing.TB, code string, env []string, before Before) cmdtest.Result {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "socket"), os.NewFile(uintptr(pair[1]), "socket")
	defer ours.Close()
	c := exec.Command("/proc/self/exe", "sh", "-c", code)
	c.Env = env
	c.ExtraFiles = []*os.File{theirs}
	c.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	var stdout, stderr strings.Builder
	c.Stdout, c.Stderr = &stdout, &stderr
	err = c.Start()
	theirs.Close()
	if err != nil {
		t.Fatal(err)
	}
	if listener, err := receiveFile(ours); err == nil {
		answer(t, listener, c.Process.Pid, before)
		listener.Close()
	}
	if err = c.Wait(); c.ProcessState.ExitCode() == mainStatus {
		t.Skipf("SKIPPED, and so it is not tested what a kill at a certain system call leaves: %s", stderr.String())
	} else if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	return cmdtest.Result{Stdout: stdout.String(), Stderr: stderr.String(), Status: c.ProcessState.ExitCode()}
}

// notification is struct seccomp_notif, and reply struct seccomp_notif_resp, of
// include/uapi/linux/seccomp.h.
type notification struct {
	id         uint64
	pid, flags uint32
	nr         int32
	arch       uint32
	ip         uint64
	args       [6]uint64
}

type reply struct {
	id    uint64
	val   int64
	error int32
	flags uint32
}

// answer answers until all processes that are trapped have ended.
func answer(t testing.TB, listener *os.File, group int, before Before) {
	fd := int(listener.Fd())
	for {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(poll, -1); err != nil && err != unix.EINTR {
			t.Error(err)
			return
		}
		if poll[0].Revents&unix.POLLIN == 0 {
			if poll[0].Revents != 0 {
				return
			}
			continue
		}
		var n notification
		if err := ioctl(fd, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n)); err != nil {
			continue // it was killed meanwhile
		}
		r := reply{id: n.id}
		err := ask(n, group, before)
		if err == ErrDead {
			continue
		}
		if errno, ok := err.(unix.Errno); ok {
			r.error = -int32(errno)
		} else if result, ok := err.(done); ok {
			r.val = int64(result)
		} else {
			r.flags = unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE
			if err != nil {
				t.Error(err)
			}
		}
		if err := ioctl(fd, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r)); err != nil && err != unix.ENOENT {
			t.Error(err)
		}
	}
}

// ask leaves out the calls of the shell and its programs.
func ask(n notification, group int, before Before) error {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", n.pid))
	tool := strings.TrimSpace(string(name))
	if err != nil || !strings.HasPrefix(tool, "cfs-") || tool == "cfs-pull" {
		return nil
	}
	c := Call{Tool: tool, Group: group, Nr: int(n.nr), pid: n.pid, args: n.args}
	if n.nr == unix.SYS_OPENAT && n.args[2]&unix.O_TMPFILE == unix.O_TMPFILE {
		c.Tmpfile = fmt.Sprintf("/proc/%d/fd/%d/%s", n.pid, int32(n.args[0]), readString(n.pid, n.args[1]))
	}
	return before(c)
}

func ioctl(fd int, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}
