package esp

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/flock"
)

func begin(t *testing.T, dir string) *Folder {
	t.Helper()
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.Begin(flock.Lock{}); err != nil {
		t.Fatal(err)
	}
	return f
}

func write(t *testing.T, f *Folder, name, text string) {
	t.Helper()
	if err := f.Write(Text(name, []byte(text))); err != nil {
		t.Fatal(err)
	}
}

// TestWrite: exact modes whatever the umask, content replaced, nothing else left.
func TestWrite(t *testing.T) {
	defer unix.Umask(unix.Umask(0o077))
	dir := t.TempDir() + "/a/boot"
	f := begin(t, dir)
	for _, text := range []string{"one", "two", ""} {
		write(t, f, "EFI/Linux/x.efi", text)
		got, err := os.ReadFile(dir + "/EFI/Linux/x.efi")
		if err != nil || string(got) != text {
			t.Errorf("%q, %v, want %q", got, err, text)
		}
	}
	for name, mode := range map[string]fs.FileMode{"EFI/Linux/x.efi": 0o644, "EFI/Linux": 0o755, "EFI": 0o755, "loader": 0o755} {
		if st, err := os.Stat(dir + "/" + name); err != nil || st.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, st.Mode(), err)
		}
	}
	if list, err := f.List("EFI/Linux"); err != nil || len(list) != 1 {
		t.Errorf("%v, %v", list, err)
	}
	if err := errors.Join(f.Sync(), f.Remove("EFI/Linux/x.efi"), f.Remove("EFI/Linux/x.efi")); err != nil {
		t.Error(err)
	}
}

// TestHas tells equal content from other content.
func TestHas(t *testing.T) {
	f := begin(t, t.TempDir())
	long := strings.Repeat("x", 200<<10)
	write(t, f, "a/f", long)
	for text, want := range map[string]bool{long: true, long[1:] + "y": false, long[1:]: false, "": false} {
		if got, err := f.Has(Text("a/f", []byte(text))); got != want || err != nil {
			t.Errorf("%d bytes: %v, %v", len(text), got, err)
		}
	}
	if got, err := f.Has(Text("a/none", nil)); got || err != nil {
		t.Errorf("none: %v, %v", got, err)
	}
}

// TestLinks: no link below the folder is followed, and what is in the way is named.
func TestLinks(t *testing.T) {
	dir, victim := t.TempDir(), t.TempDir()
	f := begin(t, dir)
	for _, err := range []error{
		os.WriteFile(victim+"/f", []byte("mine"), 0o600), os.Symlink(victim, dir+"/link"), os.Mkdir(dir+"/d", 0o755),
		os.Symlink(victim+"/f", dir+"/d/f"), os.Mkdir(dir+"/d/dir", 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"link/f", "d/f", "d/dir"} {
		if _, err := f.Has(Text(name, []byte("mine"))); err == nil {
			t.Errorf("%s is looked at", name)
		}
	}
	if err := f.Write(Text("link/f", []byte("new"))); err == nil {
		t.Error("a link of a folder is followed")
	}
	if err := f.Write(Text("d/dir", []byte("new"))); err == nil {
		t.Error("a folder is replaced")
	}
	write(t, f, "d/f", "new") // replaces the link
	if got, err := os.ReadFile(victim + "/f"); string(got) != "mine" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if err := f.RemoveKernels("../" + filepath.Base(victim)); err == nil {
		t.Error("anything is removed")
	}
}

// TestLeftovers: what a killed writer has left goes with the next, and nothing else.
func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	f := begin(t, dir)
	for _, name := range []string{"loader/entries/", "EFI/Linux/", "composefs-1/"} {
		write(t, f, name+temporary+"abc", "x")
		write(t, f, name+"stays", "x")
	}
	f.Close()
	f = begin(t, dir)
	for _, name := range []string{"loader/entries", "EFI/Linux", "composefs-1"} {
		if list, err := f.List(name); err != nil || len(list) != 1 || list[0].Name() != "stays" {
			t.Errorf("%s: %v, %v", name, list, err)
		}
	}
}

// TestFailedWrite leaves the old content and nothing else.
func TestFailedWrite(t *testing.T) {
	f := begin(t, t.TempDir())
	write(t, f, "a/f", "old")
	broken := File{"a/f", 3, func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("x")), nil }}
	if err := f.Write(broken); err == nil {
		t.Error("a short content is written")
	}
	got, err := f.Read("a/f", 3)
	list, listErr := f.List("a")
	if string(got) != "old" || err != nil || len(list) != 1 || listErr != nil {
		t.Errorf("%q, %v, %v, %v", got, err, list, listErr)
	}
	if _, err := f.Read("a/f", 2); err == nil {
		t.Error("more than may be is read")
	}
}

func TestSpace(t *testing.T) {
	f, err := Open(t.TempDir() + "/missing/x")
	if err != nil || !f.Missing() {
		t.Fatal(err)
	}
	if err := f.CheckSpace([]File{{Size: 10}}, nil); err != nil {
		t.Error(err)
	}
	if err := f.CheckSpace([]File{{Size: 1 << 60}}, nil); !errors.Is(err, unix.ENOSPC) {
		t.Error(err)
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	begin(t, dir)
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Begin(flock.Lock{}); !errors.Is(err, flock.ErrLocked) {
		t.Error(err)
	}
}

func TestCheckName(t *testing.T) {
	for _, ok := range []string{"a+3-1.conf", ".x", "é", "a b", strings.Repeat("x", 255)} {
		if err := CheckName(ok); err != nil {
			t.Errorf("%q: %v", ok, err)
		}
	}
	for _, bad := range []string{"", "/", "a/b", ".", "..", "a ", "a.", "a:b", "a?", "\x01", `a\b`, "a|b", "\xff", strings.Repeat("x", 256)} {
		if err := CheckName(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if CheckPath("a//b") == nil || CheckPath("../a") == nil || CheckPath("a/b.c") != nil {
		t.Error("paths")
	}
}

// TestOpenImpossible: at a path that no file can have there is none.
func TestOpenImpossible(t *testing.T) {
	f := begin(t, t.TempDir())
	write(t, f, "file", "x")
	for _, name := range []string{"", "a\x00b", "file/x", strings.Repeat("a", 256), strings.Repeat("a/", 3000) + "b"} {
		if file, err := f.Open(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%.40q: %v, %v", name, file, err)
		}
	}
}

// TestHasInTheWay: what stands in the place of a folder is an error before anything is written.
func TestHasInTheWay(t *testing.T) {
	f := begin(t, t.TempDir())
	write(t, f, "file", "x")
	if same, err := f.Has(Text("file/x", nil)); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, %v", same, err)
	}
}
