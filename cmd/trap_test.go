package cmd

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// call is a system call that a tool is about to do: one that makes, names or removes
// a file, makes one durable, or writes a record.
type call struct {
	tool    string // by name
	group   int    // of processes: the whole pipe
	nr      int
	tmpfile string // where it makes a file without a name, "" if it does not
}

// errDead is the answer about a call whose process was just killed.
var errDead = errors.New("killed")

// trapped is shell, but asks before each such call. If the answer is an errno, the
// call is not done and fails with it. It needs no privilege: the calls come by
// seccomp_unotify(2).
func trapped(t testing.TB, repo, code string, before func(call) error) result {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "socket"), os.NewFile(uintptr(pair[1]), "socket")
	defer ours.Close()
	c := exec.Command("/proc/self/exe", "sh", "-c", code)
	c.Env = append(environ(t, repo), trapEnv+"=1")
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
	if err = c.Wait(); c.ProcessState.ExitCode() == trapStatus {
		t.Skipf("SKIPPED, and so it is not tested what a kill at a certain system call leaves: %s", stderr.String())
	} else if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	return result{stdout.String(), stderr.String(), c.ProcessState.ExitCode()}
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
func answer(t testing.TB, listener *os.File, group int, before func(call) error) {
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
		switch err := ask(n, group, before); err {
		case nil:
			r.flags = unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE
		case errDead:
			continue
		default:
			r.error = -int32(err.(unix.Errno))
		}
		if err := ioctl(fd, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r)); err != nil && err != unix.ENOENT {
			t.Error(err)
		}
	}
}

// ask leaves out the calls of the shell and its programs.
func ask(n notification, group int, before func(call) error) error {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", n.pid))
	tool := strings.TrimSpace(string(name))
	if err != nil || !strings.HasPrefix(tool, "cfs-") || tool == "cfs-pull" {
		return nil
	}
	c := call{tool: tool, group: group, nr: int(n.nr)}
	if n.nr == unix.SYS_OPENAT && n.args[2]&unix.O_TMPFILE == unix.O_TMPFILE {
		c.tmpfile = fmt.Sprintf("/proc/%d/fd/%d/%s", n.pid, int32(n.args[0]), readString(n.pid, n.args[1]))
	}
	return before(c)
}

// readString reads a short string in the memory of a process.
func readString(pid uint32, at uint64) string {
	f, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return ""
	}
	defer f.Close()
	text := make([]byte, 64)
	k, _ := f.ReadAt(text, int64(at)) // less at the end of the memory
	name, _, _ := strings.Cut(string(text[:k]), "\x00")
	return name
}

func ioctl(fd int, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

// killGroup kills all processes of a group.
func killGroup(group int) error {
	if err := unix.Kill(-group, unix.SIGKILL); err != nil && err != unix.ESRCH {
		return err
	}
	return errDead
}

// killTool kills the process of a group that has a tool's name, if it still runs.
func killTool(group int, tool string) error {
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return err
	}
	for _, name := range all {
		var pid, parent, its int
		var state byte
		text, err := os.ReadFile(name)
		if err != nil || !strings.Contains(string(text), "("+tool+")") {
			continue
		}
		if _, err := fmt.Sscanf(strings.ReplaceAll(string(text), "("+tool+")", ""), "%d %c %d %d", &pid, &state, &parent, &its); err == nil && its == group {
			if err := unix.Kill(pid, unix.SIGKILL); err != nil && err != unix.ESRCH {
				return err
			}
		}
	}
	return nil
}

// trapEnv is set in the environment of this program when it is only to trap itself
// and then to turn into the command of its operands. What cannot be trapped ends with
// trapStatus.
const (
	trapEnv    = "CFS_TEST_TRAP"
	trapStatus = 99
)

// turnTrapped sends the listener of its trap over descriptor 3.
func turnTrapped(args []string) {
	fail := func(step string, err error) {
		fmt.Fprintf(os.Stderr, "%s: %v\n", step, err)
		os.Exit(trapStatus)
	}
	runtime.LockOSThread() // a filter is of a thread, and goes with what that turns into
	path, err := exec.LookPath(args[0])
	if err != nil {
		fail("trap", err)
	}
	filter := trapFilter(unix.SECCOMP_RET_USER_NOTIF)
	listener, err := install(filter, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER|unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
	if err != nil {
		fail("seccomp", err)
	}
	if err := unix.Sendmsg(3, []byte{0}, unix.UnixRights(listener), nil, 0); err != nil {
		fail("sendmsg", err)
	}
	unix.Close(listener)
	unix.Close(3)
	fail("exec", unix.Exec(path, args, slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, trapEnv+"=") })))
}

// install puts a filter on the system calls of this thread.
func install(filter []unix.SockFilter, flags uintptr) (listener int, err error) {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return -1, err
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// The offsets in struct seccomp_data, of the low halves on a little-endian machine.
const (
	offsetNr   = 0
	offsetArgs = 16
)

// trapFilter says what happens to the calls that a call can be.
func trapFilter(what uint32) []unix.SockFilter {
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	jump := func(how uint16, k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | how | unix.BPF_K, K: k, Jt: yes, Jf: no}
	}
	end := func(action uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
	}
	var prog []unix.SockFilter
	for _, nr := range []uint32{
		unix.SYS_LINKAT, unix.SYS_SYMLINKAT, unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2, unix.SYS_UNLINKAT, unix.SYS_MKDIRAT,
		unix.SYS_SYNCFS, unix.SYS_FSYNC, unix.SYS_FCHMOD, unix.SYS_FCHMODAT,
	} {
		prog = append(prog, load(offsetNr), jump(unix.BPF_JEQ, nr, 0, 1), end(what))
	}
	for _, arg := range []struct {
		nr, n uint32
		how   uint16
		k     uint32
	}{
		{unix.SYS_OPENAT, 2, unix.BPF_JSET, unix.O_CREAT | unix.O_TMPFILE&^unix.O_DIRECTORY},
		{unix.SYS_WRITE, 0, unix.BPF_JEQ, 1},
		{unix.SYS_IOCTL, 1, unix.BPF_JEQ, unix.FS_IOC_ENABLE_VERITY},
	} {
		prog = append(prog, load(offsetNr), jump(unix.BPF_JEQ, arg.nr, 0, 3),
			load(offsetArgs+8*arg.n), jump(arg.how, arg.k, 0, 1), end(what))
	}
	return append(prog, end(unix.SECCOMP_RET_ALLOW))
}

// receiveFile takes the descriptor that the other end of a socket sends.
func receiveFile(socket *os.File) (*os.File, error) {
	data, control := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(int(socket.Fd()), data, control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, err
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil || len(messages) != 1 {
		return nil, fmt.Errorf("no descriptor came: %w", err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, fmt.Errorf("no descriptor came: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "listener"), nil
}
