package trap

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mainEnv is set in the environment of a program that Run starts: this one, once more.
// What cannot be trapped ends with mainStatus.
const (
	mainEnv    = "CFS_TEST_TRAP"
	mainStatus = 99
)

// Main does nothing, unless Run has started this process: then it traps itself and turns
// into the command of its operands. It is for the first line of TestMain.
func Main() {
	if os.Getenv(mainEnv) != "" {
		turn(os.Args[1:])
	}
}

// turn sends the listener of its trap over descriptor 3.
func turn(args []string) {
	fail := func(step string, err error) {
		fmt.Fprintf(os.Stderr, "%s: %v\n", step, err)
		os.Exit(mainStatus)
	}
	runtime.LockOSThread() // a filter is of a thread, and goes with what that turns into
	path, err := exec.LookPath(args[0])
	if err != nil {
		fail("trap", err)
	}
	filter := makeFilter(unix.SECCOMP_RET_USER_NOTIF)
	if kinds := os.Getenv(mainEnv); kinds != "1" {
		if filter, err = filterOf(kinds, unix.SECCOMP_RET_USER_NOTIF); err != nil {
			fail("trap", err)
		}
	}
	listener, err := install(filter, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER|unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
	if err != nil {
		fail("seccomp", err)
	}
	if err := unix.Sendmsg(3, []byte{0}, unix.UnixRights(listener), nil, 0); err != nil {
		fail("sendmsg", err)
	}
	unix.Close(listener)
	unix.Close(3)
	fail("exec", unix.Exec(path, args, slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, mainEnv+"=") })))
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

func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

func jump(how uint16, k uint32, yes, no uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | how | unix.BPF_K, K: k, Jt: yes, Jf: no}
}

func end(action uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
}

// filterOf says what happens to the calls of some kinds, numbers with commas between them.
func filterOf(kinds string, what uint32) (prog []unix.SockFilter, err error) {
	for _, kind := range strings.Split(kinds, ",") {
		nr, err := strconv.ParseUint(kind, 10, 32)
		if err != nil {
			return nil, err
		}
		prog = append(prog, load(offsetNr), jump(unix.BPF_JEQ, uint32(nr), 0, 1), end(what))
	}
	return append(prog, end(unix.SECCOMP_RET_ALLOW)), nil
}

// makeFilter says what happens to the calls that a call can be if a test does not choose.
func makeFilter(what uint32) []unix.SockFilter {
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
