package fd

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// linked returns a root in which inside and outside are symbolic links to folders, to one in
// it and to one that is not, and that other folder. Both have a file.
func linked(t *testing.T) (r *Root, other string) {
	t.Helper()
	dir := t.TempDir() + "/root"
	other = t.TempDir()
	if err := errors.Join(os.MkdirAll(dir+"/a/b", 0o755), os.WriteFile(dir+"/a/b/file", []byte("text"), 0o644),
		os.WriteFile(other+"/file", []byte("text"), 0o644), os.Symlink("a/b", dir+"/inside"), os.Symlink(other, dir+"/outside"),
		os.Symlink("file", dir+"/a/b/link")); err != nil {
		t.Fatal(err)
	}
	r, err := OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r, other
}

// calls are the methods of Root with a name, as something that fails or not.
func calls(r *Root) map[string]func(name string) error {
	closing := func(f *os.File, err error) error {
		if err == nil {
			err = f.Close()
		}
		return err
	}
	return map[string]func(name string) error{
		"Folder":     func(name string) error { return closing(r.Folder(filepath.Dir(name))) },
		"Open":       func(name string) error { return closing(r.Open(name)) },
		"OpenFile":   func(name string) error { return closing(r.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)) },
		"OpenDir":    func(name string) error { return closing(r.OpenDir(filepath.Dir(name))) },
		"SyncDir":    func(name string) error { return r.SyncDir(filepath.Dir(name)) },
		"Mkdir":      func(name string) error { return r.Mkdir(name+"-folder", 0o755) },
		"Chmod":      func(name string) error { return r.Chmod(name, 0o600) },
		"Lstat":      func(name string) error { _, err := r.Lstat(name); return err },
		"Symlink":    func(name string) error { return r.Symlink("x", name+"-link") },
		"Readlink":   func(name string) error { _, err := r.Readlink(filepath.Dir(name) + "/link"); return err },
		"Rename":     func(name string) error { return r.Rename(name, name) },
		"Rename to":  func(name string) error { return r.Rename("a/b/file", name) },
		"Remove":     r.Remove,
		"Remove all": r.RemoveAll,
	}
}

// TestFault16Links: nothing is read, written, made or removed through a symbolic link in the
// place of a folder, wherever it leads, and the link is named.
func TestFault16Links(t *testing.T) {
	r, other := linked(t)
	for what, call := range calls(r) {
		for _, link := range []string{"inside", "outside"} {
			err := call(link + "/file")
			var found *Symlink
			if !errors.As(err, &found) || found.Name != link || !errors.Is(err, unix.ELOOP) || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s through %s: %v", what, link, err)
			}
		}
	}
	for _, dir := range []string{other, r.Name() + "/a/b"} {
		if st, err := os.Stat(dir + "/file"); err != nil || st.Mode() != 0o644 || st.Size() != 4 {
			t.Errorf("%s: %v, %v", dir, st, err)
		}
	}
	if list, err := os.ReadDir(other); len(list) != 1 || err != nil {
		t.Errorf("%s has %v, %v", other, list, err)
	}
}

// TestRoot: each method does what its name says where there is no link.
func TestRoot(t *testing.T) {
	for what := range calls(&Root{}) {
		r, _ := linked(t)
		if err := calls(r)[what]("a/b/file"); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		_, err := os.Lstat(r.Name() + "/a/b/file")
		if gone := errors.Is(err, fs.ErrNotExist); gone != (what == "Remove" || what == "Remove all") {
			t.Errorf("%s: %v", what, err)
		}
		if err := calls(r)[what]("../file"); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%s of what is outside: %v", what, err)
		}
		if err := calls(r)[what]("none/file"); !errors.Is(err, fs.ErrNotExist) && what != "Remove all" {
			t.Errorf("%s of nothing: %v", what, err)
		}
	}
}

// TestWhole: a link where a file is to be opened is refused as well; a folder is removed with
// what is in it, and its links are not followed.
func TestWhole(t *testing.T) {
	r, other := linked(t)
	for _, name := range []string{"outside", "a/b/link"} {
		_, err := r.Open(name)
		var found *Symlink
		if !errors.As(err, &found) || found.Name != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	if target, err := r.Readlink("inside"); target != "a/b" || err != nil {
		t.Errorf("inside leads to %q, %v", target, err)
	}
	if _, err := r.Readlink("a"); !errors.Is(err, unix.EINVAL) {
		t.Errorf("no link: %v", err)
	}
	if err := errors.Join(os.Symlink(other, r.Name()+"/a/out"), r.RemoveAll("a"), r.RemoveAll("a")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(other + "/file"); err != nil {
		t.Error(err)
	}
	if _, err := r.Lstat("a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a: %v", err)
	}
}

// TestWalk: where the kernel cannot do it in one call the result is the same.
func TestWalk(t *testing.T) {
	r, _ := linked(t)
	err := Use(r.dir, func(root int) error {
		n, err := walk(root, "a/b")
		if err != nil {
			return err
		}
		defer unix.Close(n)
		if err := unix.Faccessat(n, "file", unix.R_OK, 0); err != nil {
			t.Error(err)
		}
		for name, want := range map[string]error{"a/none/b": unix.ENOENT, "a/b/file/c": unix.ENOTDIR, "a/b/file": unix.ENOTDIR,
			"inside": unix.ELOOP, "a/b/link/x": unix.ELOOP, "outside": unix.ELOOP} {
			for _, open := range []func(int, string) (int, error){walk, openFolder} {
				if _, err := open(root, name); !errors.Is(err, want) {
					t.Errorf("%s: got %v, want %v", name, err, want)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestNotWaiting: what is not a regular file does not make anybody wait.
func TestNotWaiting(t *testing.T) {
	r, _ := linked(t)
	if err := unix.Mkfifo(r.Name()+"/fifo", 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := r.Open("fifo")
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, err := r.OpenDir("fifo"); !errors.Is(err, unix.ENOTDIR) {
		t.Error(err)
	}
}

// TestNoDescriptor: all descriptors are given back.
func TestNoDescriptor(t *testing.T) {
	count := func() []string {
		list, err := filepath.Glob("/proc/self/fd/*")
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	r, _ := linked(t)
	before := count()
	for what, call := range calls(r) {
		for _, name := range []string{"none/file", "inside/file", "a/b/file"} {
			if err := call(name); err != nil && name == "a/b/file" && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	if after := count(); !slices.Equal(after, before) {
		t.Errorf("open before %v, after %v", before, after)
	}
}
