package mount

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/tree"
	"cfs/lib/verity"
)

// inVM is set in the environment of the tests that TestInVM runs.
const inVM = "CFS_IN_VM"

// TestInVM runs the tests of this package once more, in a virtual machine whose
// kernel has fs-verity, and is not the newest.
func TestInVM(t *testing.T) {
	if os.Getenv(inVM) != "" {
		t.Skip("SKIPPED: in the virtual machine already")
	}
	if testing.Short() {
		t.Skip("SKIPPED: -short, and so fs-verity is not tested")
	}
	script, err := filepath.Abs("../../scripts/verity-vm")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(script); err != nil {
		t.Skipf("SKIPPED, and so fs-verity is not tested: %v", err)
	}
	if out, err := exec.Command(script, "--prepare").CombinedOutput(); err != nil {
		t.Skipf("SKIPPED, and so fs-verity is not tested: %s --prepare: %v\n%s", script, err, out)
	}
	share := t.TempDir()
	build := exec.Command("go", "test", "-c", "-o", share+"/mount.test", ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH=amd64", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go test -c: %v\n%s", err, out)
	}
	vm := exec.Command(script, "--share", share, "--env", inVM+"=1", "--env", "TMPDIR=/scratch", "--", "/share/mount.test", "-test.v")
	out, err := vm.CombinedOutput()
	if err != nil {
		t.Fatalf("in the virtual machine: %v\n%s", err, out)
	}
	for _, name := range []string{"TestEnable", "TestRequireVerity", "TestMount"} {
		if !strings.Contains(string(out), "--- PASS: "+name+" ") {
			t.Errorf("in the virtual machine, %s did not pass:\n%s", name, out)
		}
	}
}

// needVerity skips a test where temporary files can't have fs-verity.
func needVerity(t *testing.T) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	writeFile(t, name, "x")
	if err := verity.Enable(openFile(t, name), verity.SHA256); errors.Is(err, verity.ErrUnsupported) {
		t.Skipf("SKIPPED: %s: %v", os.TempDir(), err)
	} else if err != nil {
		t.Fatal(err)
	}
}

// The kernel's digests are those that we compute.
func TestEnable(t *testing.T) {
	needVerity(t)
	for _, a := range []verity.Algorithm{verity.SHA256, verity.SHA512} {
		for _, size := range []int{0, 1, 4095, 4096, 4097, 64 * 4096, 128*4096 + 1, 1 << 20, 5 << 20} {
			t.Run(fmt.Sprintf("%s %d", a.Name(), size), func(t *testing.T) {
				data := make([]byte, size)
				for i := range data {
					data[i] = byte(i % 251)
				}
				name := filepath.Join(t.TempDir(), "file")
				writeFile(t, name, string(data))
				f := openFile(t, name)
				if _, err := verity.Measure(f); err != verity.ErrNotEnabled {
					t.Errorf("measured before it was enabled: %v", err)
				}
				for range 2 { // the second time it is there already
					if err := verity.Enable(f, a); err != nil {
						t.Fatal(err)
					}
				}
				got, err := verity.Measure(f)
				if want := a.Sum(data); err != nil || got != want {
					t.Errorf("measured %s, %v, computed %s", got, err, want)
				}
				if _, err := os.OpenFile(name, os.O_WRONLY, 0); !errors.Is(err, unix.EPERM) {
					t.Errorf("opening for writing: got %v, want EPERM", err)
				}
			})
		}
	}
}

func TestEnableWhileWritten(t *testing.T) {
	needVerity(t)
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := verity.Enable(openFile(t, f.Name()), verity.SHA256); !errors.Is(err, unix.ETXTBSY) {
		t.Errorf("got %v, want ETXTBSY", err)
	}
}

func TestNoVerity(t *testing.T) {
	f := openFile(t, "/proc/version") // procfs will never have it
	if err := verity.Enable(f, verity.SHA256); err != verity.ErrUnsupported {
		t.Errorf("enable: %v", err)
	}
	if _, err := verity.Measure(f); err != verity.ErrUnsupported {
		t.Errorf("measure: %v", err)
	}
}

// With Verity, an object can be opened only if the kernel protects it, by the
// digest that the image gives; without, its digest is not looked at.
func TestRequireVerity(t *testing.T) {
	needMounts(t)
	needVerity(t)
	for _, a := range []verity.Algorithm{verity.SHA256, verity.SHA512} {
		s := newStore(t, a)
		root := tree.NewDir(0o755)
		files := map[string]error{"sealed": nil, "unsealed": unix.EIO, "forged": unix.EIO, "of another algorithm": unix.EIO, "missing": unix.ENOENT}
		for name := range files {
			root.Put(name, s.file(name))
		}
		root.Put("without digest", &tree.Inode{Mode: unix.S_IFREG | 0o644, Size: 7, Payload: root.Lookup("sealed").Object.ObjectPath()})
		files["without digest"] = unix.EIO
		root.Put("inline", &tree.Inode{Mode: unix.S_IFREG | 0o644, Size: 6, Inline: "inline"})
		seal(t, s.path(root, "sealed"), a)
		for _, name := range []string{"forged", "missing"} {
			if err := os.Remove(s.path(root, name)); err != nil {
				t.Fatal(err)
			}
		}
		seal(t, s.put(root.Lookup("forged").Object, large("FORGED")), a)
		seal(t, s.path(root, "of another algorithm"), verity.SHA256+verity.SHA512-a)
		image := s.image(root)
		seal(t, image.Name(), a)

		for kernel, w := range kernels {
			t.Run(a.Name()+" "+kernel, func(t *testing.T) {
				loose := mounted(t, image, s.open(), Options{}, w)
				wantFile(t, loose+"/unsealed", large("unsealed"))
				wantFile(t, loose+"/forged", large("FORGED"))
				for _, o := range []Options{{Verity: true}, {TryVerity: true}} {
					dir := mounted(t, image, s.open(), o, w)
					wantFile(t, dir+"/inline", "inline")
					for name, want := range files {
						f, err := os.Open(filepath.Join(dir, name))
						if want == nil && err == nil {
							wantFile(t, f.Name(), large(name))
						} else if want == nil || !errors.Is(err, want) {
							t.Errorf("%+v: open %s: got %v, want %v", o, name, err, want)
						}
						f.Close()
					}
				}
			})
		}
	}
}

// path returns where the object of a file of root is.
func (s store) path(root *tree.Inode, name string) string {
	return filepath.Join(s.dir, "objects", root.Lookup(name).Object.ObjectPath())
}

func seal(t *testing.T, name string, a verity.Algorithm) {
	t.Helper()
	if err := verity.Enable(openFile(t, name), a); err != nil {
		t.Fatal(err)
	}
}
