package cmd

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
)

// elsewhere is a process in a mount namespace of its own, in which something is mounted.
type elsewhere struct {
	*exec.Cmd
	stdin io.Closer
	ns    *os.File
}

// mountElsewhere mounts an untagged image in another mount namespace, and returns when it
// is there.
func mountElsewhere(t *testing.T, repo, image string) *elsewhere {
	t.Helper()
	c := exec.Command("sh", "-c", "set -e; mount --make-rprivate /; cfs-mount "+image+" "+cmdtest.Quote(t.TempDir())+"; echo mounted; exec cat")
	c.Env, c.Stderr = environ(t, repo), os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	stdin, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Skip("SKIPPED: no mount namespace can be made: ", err)
	}
	t.Cleanup(func() { stdin.Close(); c.Wait() })
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "mounted\n" {
		t.Fatalf("%q, %v", line, err)
	}
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/mnt", c.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.Close() })
	return &elsewhere{c, stdin, ns}
}

// end ends the process.
func (e *elsewhere) end(t *testing.T) {
	t.Helper()
	e.stdin.Close()
	if err := e.Wait(); err != nil {
		t.Fatal(err)
	}
}

// untaggedImage returns a repository with an image that nothing keeps, and its digest.
func untaggedImage(t *testing.T) (repo, image string) {
	t.Helper()
	needComposefs(t)
	p := undisturbed(t, imagetest.SmallLayers(t))
	repo = filepath.Join(t.TempDir(), "repo")
	must(t, repo, p.code+" && cfs-link untag "+tagName)
	return repo, p.digest(t, "image")
}

// mountLeases returns the folders of the leases of mounts.
func mountLeases(t *testing.T, repo string) []string {
	t.Helper()
	list, err := filepath.Glob(repo + "/images/refs/cfs-mount/*")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestMountedElsewhere: an image that is mounted in another mount namespace is kept,
// without a lease, until that ends.
func TestMountedElsewhere(t *testing.T) {
	t.Parallel()
	repo, image := untaggedImage(t)
	e := mountElsewhere(t, repo, image)
	if len(mountLeases(t, repo)) != 1 {
		t.Errorf("leases: %q", mountLeases(t, repo))
	}
	if err := os.RemoveAll(repo + "/images/refs/cfs-mount"); err != nil {
		t.Fatal(err)
	}
	must(t, repo, "cfs-gc --drop-mount-leases && cfs-mkerofs objects "+image+" | while read o; do stat $COMPOSEFS_REPO/objects/${o%${o#??}}/${o#??} >&2 || exit; done")
	e.end(t)
	e.ns.Close()
	wantError(t, shell(t, repo, "cfs-gc"), 1, "--allow-empty")
	must(t, repo, "cfs-gc --allow-empty")
	wantOnlyMeta(t, repo)
}

// TestMountLease: the lease of a mount keeps the image where nobody sees the mount, is
// named by cfs-link why, and ends when it is dropped by an option.
func TestMountLease(t *testing.T) {
	t.Parallel()
	repo, image := untaggedImage(t)
	e := mountElsewhere(t, repo, image)
	e.end(t) // the namespace, which is held open, stays
	must(t, repo, "cfs-gc && cfs-gc check")
	leases := mountLeases(t, repo)
	if len(leases) != 1 {
		t.Fatalf("leases: %q", leases)
	}
	want := "@mount\t" + image + "\t" + filepath.Base(leases[0]) + "\n"
	if got := must(t, repo, "cfs-link why "+image); got != want {
		t.Errorf("why: %q, want %q", got, want)
	}
	if got := must(t, repo, "cfs-link ls"); got != "" {
		t.Errorf("ls: %q", got)
	}
	wantError(t, shell(t, repo, "cfs-gc --drop-mount-leases"), 1, "--allow-empty")
	must(t, repo, "cfs-gc --drop-mount-leases --allow-empty")
	wantOnlyMeta(t, repo)
}

// TestMountLeaseEnds: a mount that has ended, in this namespace or in one that is seen,
// keeps nothing.
func TestMountLeaseEnds(t *testing.T) {
	t.Parallel()
	repo, image := untaggedImage(t)
	dir := mounted(t, repo, image)
	if leases := mountLeases(t, repo); len(leases) != 1 {
		t.Fatalf("leases: %q", leases)
	}
	must(t, repo, "cfs-gc")
	unmount(t, dir)
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	var major, minor int
	fmt.Sscanf(string(u.Release[:]), "%d.%d", &major, &minor)
	if major < 6 || major == 6 && minor < 8 {
		t.Skip("SKIPPED: this kernel, older than 6.8, has no unique numbers of mounts")
	}
	wantError(t, shell(t, repo, "cfs-gc"), 1, "--allow-empty")
	must(t, repo, "cfs-gc --allow-empty")
	wantOnlyMeta(t, repo)
}

// TestMountWithoutLease: a repository that cannot be written is mounted with a warning, and
// nothing is leased; nor is what could not be mounted.
func TestMountWithoutLease(t *testing.T) {
	t.Parallel()
	repo, image := untaggedImage(t)
	if r := shell(t, repo, "cfs-mount "+image+" "+t.TempDir()+"/missing"); r.Status != 3 || len(mountLeases(t, repo)) != 0 {
		t.Errorf("%+v, leases %q", r, mountLeases(t, repo))
	}
	c := exec.Command("sh", "-c", "set -e; mount --make-rprivate /; mount --bind $COMPOSEFS_REPO $COMPOSEFS_REPO; mount -o remount,ro,bind $COMPOSEFS_REPO; cfs-mount "+image+" "+cmdtest.Quote(t.TempDir()))
	c.Env = environ(t, repo)
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	r := cmdtest.Run(t, c)
	if r.Status != 0 || !strings.HasPrefix(r.Stderr, "cfs-mount: warning: no lease: ") || strings.Count(r.Stderr, "\n") != 1 {
		t.Errorf("%+v", r)
	}
	if _, err := os.Lstat(repo + "/images/refs/cfs-mount"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// TestReferenceKeepsMounts: the reference's collection keeps what a mount has leased, and
// its check has nothing against leases.
func TestReferenceKeepsMounts(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("cfsctl"); err != nil {
		t.Skip("SKIPPED: no cfsctl: ", err)
	}
	repo, image := untaggedImage(t)
	e := mountElsewhere(t, repo, image)
	e.end(t) // nobody sees the mount any more
	must(t, repo, "cfsctl --insecure --repo $COMPOSEFS_REPO gc && cfsctl --insecure --repo $COMPOSEFS_REPO fsck")
	if got := must(t, repo, "cfs-mkerofs ls "+image+" && cfs-gc check"); !strings.Contains(got, "usr") {
		t.Errorf("the image is not there any more:\n%s", got)
	}
	if len(mountLeases(t, repo)) != 1 {
		t.Errorf("leases: %q", mountLeases(t, repo))
	}
}
