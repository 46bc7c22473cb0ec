package spool

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/fd"
)

// nobody is the user that others are in tests.
const nobody = 65534

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: needs root")
	}
}

// put makes a file, and the folders that it is in.
func put(t *testing.T, name string, text []byte) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, text, 0o644)); err != nil {
		t.Fatal(err)
	}
}

// odd makes something that is not a regular file of one's own, in the place of a file.
func odd(t *testing.T) map[string]func(name string) error {
	precious := t.TempDir() + "/precious"
	put(t, precious, []byte("precious"))
	t.Cleanup(func() {
		if text, err := os.ReadFile(precious); string(text) != "precious" || err != nil {
			t.Errorf("a file that belongs to somebody else is %q, %v", text, err)
		}
	})
	all := map[string]func(name string) error{
		"FIFO":      func(name string) error { return unix.Mkfifo(name, 0o644) },
		"socket":    func(name string) error { return unix.Mknod(name, unix.S_IFSOCK|0o644, 0) },
		"link":      func(name string) error { return os.Symlink(precious, name) },
		"/dev/zero": func(name string) error { return os.Symlink("/dev/zero", name) },
		"dangling":  func(name string) error { return os.Symlink("nowhere", name) },
	}
	return all
}

// TestFault13: what is not a regular file in a spool was waited for, or read without end. A blob is
// fetched again, and the files of the layout are refused.
func TestFault13(t *testing.T) {
	for what, makeOdd := range odd(t) {
		for _, suffix := range []string{"", partialSuffix} {
			s, d := open(t, t.TempDir()), describe(content)
			name := s.dir + "/" + blobName(t, d)
			if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), makeOdd(name+suffix)); err != nil {
				t.Fatal(err)
			}
			var read atomic.Int64
			path, err := s.Fetch(t.Context(), d, giving(content, &read), nil)
			if text, _ := os.ReadFile(path); err != nil || !bytes.Equal(text, content) {
				t.Errorf("%s as %q: %v", what, suffix, err)
			}
		}
		for _, name := range []string{"index.json", "oci-layout"} {
			dir := t.TempDir()
			open(t, dir)
			if err := errors.Join(os.Remove(dir+"/"+name), makeOdd(dir+"/"+name)); err != nil {
				t.Fatal(err)
			}
			_, err := Open(t.Context(), dir)
			var link *fd.Symlink
			if !errors.Is(err, fd.ErrNotRegular) && !errors.As(err, &link) || !strings.Contains(err.Error(), name) {
				t.Errorf("%s as %s: %v", what, name, err)
			}
		}
	}
}

// TestFault16Folders: a symbolic link in the place of a folder of the spool was followed: a
// blob was written where it led, or removed there.
func TestFault16Folders(t *testing.T) {
	for _, link := range []string{"blobs", "blobs/sha256"} {
		for _, inside := range []bool{false, true} {
			s, d := open(t, t.TempDir()), describe(content)
			elsewhere := t.TempDir()
			if inside {
				elsewhere = s.dir + "/elsewhere"
			}
			blob := elsewhere + strings.TrimPrefix("/"+blobName(t, d), "/"+link)
			put(t, blob, []byte("precious"))
			if err := errors.Join(os.MkdirAll(filepath.Dir(s.dir+"/"+link), 0o755), os.Symlink(elsewhere, s.dir+"/"+link)); err != nil {
				t.Fatal(err)
			}
			var read atomic.Int64
			_, err := s.Fetch(t.Context(), d, giving(content, &read), nil)
			var found *fd.Symlink
			if !errors.As(err, &found) || found.Name != link || read.Load() > 0 {
				t.Errorf("%s: %v", link, err)
			}
			if s.Have(d) != 0 {
				t.Errorf("%s: a blob is found where it leads", link)
			}
			s.Drop(d)
			Remove(s.dir+"/"+blobName(t, d), d.Digest)
			if text, err := os.ReadFile(blob); string(text) != "precious" || err != nil {
				t.Errorf("%s: where it leads there is %q, %v", link, text, err)
			}
			if list, err := os.ReadDir(filepath.Dir(blob)); len(list) != 1 || err != nil {
				t.Errorf("%s: where it leads there is %v, %v", link, list, err)
			}
		}
	}
}

// TestFault16Partial: a partial file that was a hard link to another file was written to. It is
// made anew, as is one that belongs to somebody else, and the same holds for the files of the
// layout.
func TestFault16Partial(t *testing.T) {
	needRoot(t)
	s, d := open(t, t.TempDir()), describe(content)
	name := s.dir + "/" + blobName(t, d)
	precious := s.dir + "/precious"
	put(t, precious, content[:100])
	for what, plant := range map[string]func(name string) error{
		"hard link": func(name string) error { return os.Link(precious, name) },
		"of others": func(name string) error {
			return errors.Join(os.WriteFile(name, content[:100], 0o644), os.Chown(name, nobody, nobody))
		},
	} {
		for _, suffix := range []string{partialSuffix, ""} {
			put(t, name, nil)
			if err := errors.Join(os.Remove(name), plant(name+partialSuffix), plant(s.dir+"/index.json"+partialSuffix)); err != nil {
				t.Fatal(err)
			}
			if suffix == "" { // the blob is dropped instead
				put(t, name, content)
				if err := s.Drop(d); err != nil {
					t.Errorf("%s: %v", what, err)
				}
				os.Remove(s.dir + "/index.json" + partialSuffix)
				continue
			}
			var read atomic.Int64
			_, err := s.Fetch(t.Context(), d, giving(content, &read), nil)
			if err != nil || read.Load() != d.Size {
				t.Errorf("%s: %d bytes read, %v", what, read.Load(), err)
			}
			if err := s.Keep(t.Context(), d, "a"); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			for _, name := range []string{name, s.dir + "/index.json"} {
				var st unix.Stat_t
				if err := unix.Lstat(name, &st); err != nil || st.Uid != 0 || st.Nlink != 1 {
					t.Errorf("%s: %s has %d names and belongs to %d, %v", what, name, st.Nlink, st.Uid, err)
				}
			}
			if err := s.writeJSON("index.json", emptyIndex()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if text, err := os.ReadFile(precious); !bytes.Equal(text, content[:100]) || err != nil {
		t.Errorf("the other file has %d bytes, %v", len(text), err)
	}
}

// TestFault16Spool: root does not use a spool into which others may write, unless it must.
func TestFault16Spool(t *testing.T) {
	needRoot(t)
	for what, change := range map[string]func(dir string) error{
		"belongs to the user with ID 65534":                    func(dir string) error { return os.Chown(dir, nobody, nobody) },
		"has mode 0720: others than its owner may write to it": func(dir string) error { return unix.Chmod(dir, 0o720) },
		"has mode 1702: others than its owner may write to it": func(dir string) error { return unix.Chmod(dir, 0o1702) },
	} {
		dir := t.TempDir() + "/spool"
		open(t, dir)
		if err := errors.Join(change(dir), os.Remove(dir+"/index.json")); err != nil {
			t.Fatal(err)
		}
		want := "spool: " + dir + " " + what + ", so root does not use it as a spool"
		if _, err := Open(t.Context(), dir); !errors.Is(err, ErrUntrusted) || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if _, err := os.Lstat(dir + "/index.json"); err == nil {
			t.Errorf("%s: written to", what)
		}
		s, err := OpenUntrusted(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		var read atomic.Int64
		if _, err := s.Fetch(t.Context(), describe(content), giving(content, &read), nil); err != nil {
			t.Error(err)
		}
		s.Close()
	}
}
