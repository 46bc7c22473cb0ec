package cmd

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
)

// mountImage makes a file system of some MiB and mounts it.
func mountImage(t *testing.T, mebibytes int, options string) (dir, device string) {
	t.Helper()
	base := cmdtest.Scratch(t)
	dir, device = base+"/mnt", base+"/disk"
	needMount(t, "mkfs.ext4")
	must(t, "", fmt.Sprintf("truncate -s %dM %s && mkfs.ext4 -q -m 0 %s && mkdir %s", mebibytes, device, device, dir))
	if r := shell(t, "", "mount -o loop,"+options+" "+device+" "+dir); r.Status != 0 {
		t.Skipf("SKIPPED: no loop device can be mounted here: %s", r.Stderr)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return dir, device
}

// needMount skips a test where nothing can be mounted, or programs are missing.
func needMount(t *testing.T, programs ...string) {
	t.Helper()
	cmdtest.Slow(t)
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root can mount")
	}
	for _, name := range append(programs, "mount") {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("SKIPPED: %v", err)
		}
	}
}
