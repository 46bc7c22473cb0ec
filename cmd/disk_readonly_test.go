package cmd

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
)

func TestReadOnlyRepository(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	p := undisturbed(t, imagetest.SmallLayers(t))
	dir, _ := mountImage(t, 32, "rw")
	repo := dir + "/repo"
	must(t, repo, p.code+" && cfs-link show "+tagName+" > "+dir+"/records")
	must(t, "", "mount -o remount,ro "+dir)
	for _, code := range []string{
		p.code,
		"cfs-import < " + dir + "/records",
		"cfs-mkerofs < " + dir + "/records",
		"cfs-link --tag x < " + dir + "/records",
		"cfs-link tag " + tagName + " x",
		"cfs-link untag " + tagName,
		"cfs-gc",
		"cfs-gc check --repair",
	} {
		wantError(t, shell(t, repo, code), 1, "repository "+repo+" is not writable: read-only file system")
	}
	wantError(t, shell(t, dir+"/new", p.code), 1, "cfs-import: init repository: ", "read-only file system")
	// What only reads works.
	p.sound(t, repo)
	must(t, repo, "cfs-gc --dry-run && cfs-link ls && cfs-link why "+p.digest(t, "config"))
}

// TestUnwritableRepository lets somebody write who may not.
func TestUnwritableRepository(t *testing.T) {
	t.Parallel()
	p := undisturbed(t, imagetest.SmallLayers(t))
	base := cmdtest.Scratch(t)
	repo := base + "/repo"
	must(t, repo, p.code)
	if err := errors.Join(os.Chmod(base, 0o755), os.Chmod(repo, 0o555)); err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{
		"cfs-import --init --insecure < /dev/null",
		"echo config - | cfs-mkerofs",
		"echo config - | cfs-link --tag x",
		"cfs-link untag " + tagName,
		"cfs-gc --keep 0",
	} {
		r := shellAsNobody(t, repo, code)
		wantError(t, r, 1, "repository "+repo+" is not writable: permission denied")
	}
	if r := shellAsNobody(t, repo, "cfs-gc check && cfs-link show "+tagName); r.Status != 0 || !strings.HasSuffix(r.Stdout, p.shown[0]) {
		t.Errorf("reading: exit status %d\n%s%s", r.Status, r.Stdout, r.Stderr)
	}
	if r := shellAsNobody(t, base+"/new", "cfs-import --init --insecure < /dev/null"); os.Geteuid() == 0 {
		wantError(t, r, 1, "cfs-import: init repository: mkdir "+base+"/new: permission denied")
	}
	if err := os.Chmod(repo, 0o755); err != nil {
		t.Fatal(err)
	}
	p.sound(t, repo)
	wantNothing(t, repo)
}

// shellAsNobody is shell for a user who has no privilege.
func shellAsNobody(t *testing.T, repo, code string) result {
	t.Helper()
	c := exec.Command("sh", "-c", code)
	c.Env = environ(t, repo)
	c.Dir = "/"
	if os.Geteuid() == 0 {
		const nobody = 65534
		c.SysProcAttr = &unix.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	return cmdtest.Run(t, c)
}
