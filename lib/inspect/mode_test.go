package inspect

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMode: modes are written as ls writes those of real files.
func TestMode(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]uint32{
		"file": unix.S_IFREG | 0o644, "suid": unix.S_IFREG | 0o4755, "suid, not x": unix.S_IFREG | 0o4644, "sgid": unix.S_IFREG | 0o2750, "sgid, not x": unix.S_IFREG | 0o2700,
		"all": unix.S_IFREG | 0o7777, "none": unix.S_IFREG, "sticky, not x": unix.S_IFREG | 0o1776, "pipe": unix.S_IFIFO | 0o600, "socket": unix.S_IFSOCK | 0o1666,
	} {
		path := dir + "/" + name
		if err := unix.Mknod(path, mode, 0); err != nil {
			t.Fatal(err)
		}
		same(t, path, mode)
	}
	for path, mode := range map[string]uint32{"/tmp": 0, "/proc/self/exe": 0, "/dev/null": 0} {
		same(t, path, mode)
	}
	if got := Mode(unix.S_IFBLK | 0o660); got != "brw-rw----" {
		t.Error(got)
	}
}

// same compares the mode of a file as Mode and ls write it, after it is set unless that is 0: the umask is not asked.
func same(t *testing.T, path string, mode uint32) {
	t.Helper()
	if mode != 0 {
		if err := unix.Chmod(path, mode&0o7777); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("ls", "-ld", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := Mode(info.Sys().(*syscall.Stat_t).Mode); !strings.HasPrefix(string(out), got) {
		t.Errorf("%s: %s, ls has %s", path, got, out)
	}
}
