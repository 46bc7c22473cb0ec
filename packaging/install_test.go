// Package packaging tests installation and packages.
package packaging

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cfs/cmd/cmdtest"
)

func TestMain(m *testing.M) { cmdtest.Main(m) }

// built returns a folder as make leaves bin/.
func built(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	tools, err := filepath.Glob(cmdtest.Tools(t) + "/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range tools {
		if err := os.Symlink(tool, filepath.Join(dir, filepath.Base(tool))); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("../scripts/man", dir+"/man").CombinedOutput(); err != nil {
		t.Fatalf("scripts/man: %v\n%s", err, out)
	}
	return dir
}

// files returns the paths of the files below a folder, sorted.
func files(t *testing.T, root string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			list = append(list, strings.TrimPrefix(path, root))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// install runs make in the project's root, where no Go is.
func install(t *testing.T, variables string, targets ...string) cmdtest.Result {
	t.Helper()
	return cmdtest.Shell(t, cmdtest.Root(t), "make -s GO=/nowhere/go "+variables+" "+strings.Join(targets, " "))
}

// TestInstall: make install installs what is built, without Go, and make uninstall removes
// all of it.
func TestInstall(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	variables := "PREFIX=/usr SBINDIR=/usr/sbin BIN=" + built(t) + " DESTDIR=" + root
	if r := install(t, variables, "install", "install-compat"); r.Status != 0 || r.Stderr != "" {
		t.Fatalf("%+v", r)
	}
	got := files(t, root)
	for _, want := range []string{
		"/usr/bin/cfs", "/usr/bin/cfs-pull", "/usr/bin/cfs-mkerofs", "/usr/bin/mkcomposefs", "/usr/sbin/mount.composefs",
		"/usr/share/man/man1/cfs.1", "/usr/share/man/man1/cfs-gc.1", "/usr/share/man/man5/cfs-records.5", "/usr/share/man/man7/cfs.7",
		"/usr/share/man/man1/composefs-dump.1", "/usr/share/man/man8/mount.composefs.8",
		"/usr/share/bash-completion/completions/cfs-link", "/usr/share/zsh/site-functions/_cfs",
		"/usr/share/fish/vendor_completions.d/cfs-pull.fish", "/usr/share/cfs/complete",
		"/usr/lib/cfs/cfs-setup-root", "/usr/lib/cfs/cfs-initramfs", "/usr/lib/cfs/dracut/cfs-setup-root.service", "/usr/lib/cfs/initramfs-tools/init-bottom",
		"/usr/lib/systemd/system/cfs-gc.timer", "/usr/lib/systemd/system/cfs-pull@.service", "/usr/share/doc/cfs/LICENSE",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("not installed: %s", want)
		}
	}
	code := "cd usr/bin && ./cfs --version && ./mkcomposefs --version && ./cfs __complete ./cfs-link unt"
	if r := cmdtest.Shell(t, root, code); r.Status != 0 || !strings.Contains(r.Stdout, "\nuntag\t") {
		t.Errorf("%+v", r)
	}
	if r := cmdtest.Shell(t, root, "cat usr/lib/cfs/*/*"); strings.Contains(r.Stdout, "/usr/local/") || !strings.Contains(r.Stdout, "LIB=${CFS_LIB:-/usr/lib/cfs}\n") {
		t.Errorf("the hooks look elsewhere for cfs-setup-root: %s", r.Stdout)
	}
	if r := install(t, variables, "uninstall", "uninstall-compat"); r.Status != 0 {
		t.Fatalf("%+v", r)
	}
	if left := files(t, root); len(left) > 0 {
		t.Errorf("make uninstall leaves %s", left)
	}
}

// TestInstallWithoutBuild: where nothing is built, make install says what to do, and
// installs nothing.
func TestInstallWithoutBuild(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, target := range []string{"install", "install-compat"} {
		r := install(t, "BIN="+root+"/none DESTDIR="+root, target)
		if r.Status == 0 || !strings.Contains(r.Stderr, "run make first") {
			t.Errorf("%+v", r)
		}
	}
	if got := files(t, root); len(got) > 0 {
		t.Errorf("installed all the same: %s", got)
	}
}

// TestInstallCompatKeeps: the mount helper of another package is neither replaced nor
// removed.
func TestInstallCompatKeeps(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	helper := root + "/sbin/mount.composefs"
	if err := os.Mkdir(root+"/sbin", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(helper, []byte("theirs"), 0o755); err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.MkdirAll(bin+"/man/mkcomposefs.1", 0o755); err != nil { // as if built
		t.Fatal(err)
	}
	variables := "BIN=" + bin + " DESTDIR=" + root
	if r := install(t, variables, "install-compat"); r.Status == 0 || !strings.Contains(r.Stderr, "another package") {
		t.Errorf("%+v", r)
	}
	if r := install(t, variables, "uninstall-compat"); r.Status != 0 {
		t.Errorf("%+v", r)
	}
	if got := files(t, root); !slices.Equal(got, []string{"/sbin/mount.composefs"}) {
		t.Errorf("left: %s", got)
	}
}

// TestUnits has systemd check the units.
func TestUnits(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	units, err := filepath.Glob("*.service")
	if err != nil || len(units) != 2 {
		t.Fatalf("%s, %v", units, err)
	}
	dir := t.TempDir()
	for _, name := range append(units, "cfs-gc.timer") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		// An instance is checked, and the tools need not be installed.
		name = strings.Replace(name, "@.", "@app.", 1)
		unit := strings.Replace(string(text), "ExecStart=", "ExecStart="+cmdtest.Tools(t)+"/", 1)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(unit), 0o644); err != nil {
			t.Fatal(err)
		}
		c := exec.Command(analyze, "verify", "--man=no", filepath.Join(dir, name))
		if out, err := c.CombinedOutput(); err != nil || strings.Contains(string(out), dir) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
