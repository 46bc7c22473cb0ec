package fd

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestUse(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := Use(f, func(fd int) error { return unix.Fstat(fd, &st) }); err != nil {
		t.Error(err)
	}
	if err := Use(f, func(int) error { return fs.ErrExist }); err != fs.ErrExist {
		t.Errorf("the error of the call came back as %v", err)
	}
	// A close in the middle waits for the call to end.
	err = Use(f, func(fd int) error {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		return unix.Fstat(fd, &st)
	})
	if err != nil {
		t.Errorf("closed in the middle: %v", err)
	}
	if err := Use(f, func(int) error { t.Error("called with a closed file"); return nil }); err == nil {
		t.Error("a closed file is used without an error")
	}
	if Use(nil, func(int) error { return nil }) == nil {
		t.Error("no file is used without an error")
	}
}

// TestReadDir: of a directory in a root all entries are listed, with their types.
func TestReadDir(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	want := map[string]fs.FileMode{"file": 0, "dir": fs.ModeDir, "link": fs.ModeSymlink}
	if err := errors.Join(root.WriteFile("file", nil, 0o644), root.Mkdir("dir", 0o755), root.Symlink("nowhere", "link")); err != nil {
		t.Fatal(err)
	}
	d, err := root.Open(".")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	list, err := ReadDir(d)
	if err != nil || len(list) != len(want) {
		t.Errorf("listed %v, %v", list, err)
	}
	for _, e := range list {
		if typ, ok := want[e.Name()]; !ok || e.Type() != typ {
			t.Errorf("%s is of type %s, want %s", e.Name(), e.Type(), typ)
		}
	}
	d.Close()
	if _, err := ReadDir(d); err == nil {
		t.Error("a closed directory is listed")
	}
}

// TestInterrupted: a call that a signal interrupts is made again, but not for ever.
func TestInterrupted(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	calls := 0
	if err := Use(f, func(int) error {
		if calls++; calls < 3 {
			return unix.EINTR
		}
		return nil
	}); err != nil || calls != 3 {
		t.Errorf("%d calls, %v", calls, err)
	}
	if err := Use(f, func(int) error { return unix.EINTR }); err != unix.EINTR {
		t.Errorf("always interrupted: %v", err)
	}
}

func TestPath(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	err = Use(f, func(fd int) error {
		if target, err := os.Readlink(Path(fd)); err != nil || target != f.Name() {
			t.Errorf("%s leads to %s, %v; want %s", Path(fd), target, err, f.Name())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
