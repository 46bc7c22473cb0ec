package objects

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/fd"
	"cfs/lib/verity"
)

// open opens a store in the folder sub of a new folder.
func open(t testing.TB, sub string, c Config) *Store {
	t.Helper()
	root, err := fd.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(root, sub, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { errors.Join(s.Close(), root.Close()) })
	return s
}

// plain is a store as an insecure repository has it.
func plain(t testing.TB) *Store {
	return open(t, "objects", Config{Algorithm: verity.SHA256, Marks: "cfs"})
}

// file returns the path of an object.
func (s *Store) file(id verity.ID) string { return s.root.Name() + "/" + s.path(id) }

// wantOnly checks that the store has these objects, and nothing that is unfinished.
func (s *Store) wantOnly(t *testing.T, want ...verity.ID) {
	t.Helper()
	var got []verity.ID
	for id, err := range s.List() {
		if err != nil {
			t.Error(err)
		}
		got = append(got, id)
	}
	if len(got) != len(want) {
		t.Errorf("got the objects %v, want %v", got, want)
	}
	for _, id := range want {
		if _, err := s.Verify(id); err != nil {
			t.Error(err)
		}
	}
	if left, err := s.Leftovers(); left != nil || err != nil {
		t.Errorf("leftovers %v, %v", left, err)
	}
}

// damage gives an object other content in one step. One that fs-verity protects cannot be
// written to.
func (s *Store) damage(t *testing.T, id verity.ID, data []byte) {
	t.Helper()
	other := s.root.Name() + "/damaged"
	if err := errors.Join(os.WriteFile(other, data, 0o600), os.Rename(other, s.file(id))); err != nil {
		t.Error(err)
	}
}

// eachKind runs a test with each kind of store.
func eachKind(t *testing.T, test func(t *testing.T, s *Store)) {
	for _, a := range []verity.Algorithm{verity.SHA256, verity.SHA512} {
		for _, sub := range []string{"objects", "."} {
			for _, noTemp := range []bool{false, true} {
				name := a.Name() + " in " + sub
				if noTemp {
					name += " without O_TMPFILE"
				}
				t.Run(name, func(t *testing.T) {
					s := open(t, sub, Config{Algorithm: a})
					s.noTemp.Store(noTemp)
					test(t, s)
				})
			}
		}
	}
}

// TestFolders: modes are the same whatever the umask, unless the store is lenient.
func TestFolders(t *testing.T) {
	defer unix.Umask(unix.Umask(0o077))
	for lenient, want := range map[bool]fs.FileMode{false: 0o755, true: 0o700} {
		s := open(t, "objects", Config{Algorithm: verity.SHA256, Lenient: lenient})
		if _, err := s.Dir(); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the folder of a store without objects: %v", err)
		}
		id, _, err := s.PutBytes([]byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		dir, err := s.Dir()
		if err != nil {
			t.Fatal(err)
		}
		defer dir.Close()
		for _, name := range []string{".", id.ObjectPath()[:2]} {
			if st, err := os.Stat(dir.Name() + "/" + name); err != nil || st.Mode().Perm() != want {
				t.Errorf("lenient %v: %s: %v, %v; want %v", lenient, name, st.Mode(), err, want)
			}
		}
		if st, err := os.Stat(s.file(id)); err != nil || st.Mode() != 0o644 {
			t.Errorf("lenient %v: object: %v, %v", lenient, st.Mode(), err)
		}
	}
}

// TestFolderIsFile: a store cannot be where something else is.
func TestFolderIsFile(t *testing.T) {
	for _, noTemp := range []bool{false, true} {
		s := plain(t)
		s.noTemp.Store(noTemp)
		if err := os.WriteFile(s.root.Name()+"/objects", nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.PutBytes(nil); !errors.Is(err, unix.ENOTDIR) {
			t.Error(err)
		}
		if _, err := s.NewObject(); !errors.Is(err, unix.ENOTDIR) {
			t.Error(err)
		}
		if _, err := s.Empty(); !errors.Is(err, unix.ENOTDIR) {
			t.Error(err)
		}
	}
}

func TestSync(t *testing.T) {
	s := plain(t)
	if err := s.Sync(); err != nil {
		t.Error(err)
	}
}

// TestClosed: writers that are still at work write nothing any more.
func TestClosed(t *testing.T) {
	s := plain(t)
	o, err := s.NewObject()
	if err != nil {
		t.Fatal(err)
	}
	defer o.Discard()
	s.Close()
	if _, _, err := o.Commit(); err == nil {
		t.Error("an object was stored")
	}
	if _, _, err := s.PutBytes(nil); err == nil {
		t.Error("bytes were stored")
	}
	if _, err := s.Temp(); err == nil {
		t.Error("a temporary file was made")
	}
	if s.Sync() == nil {
		t.Error("synced")
	}
}

func TestWriteMeta(t *testing.T) {
	eachKind(t, func(t *testing.T, s *Store) {
		if err := s.WriteMeta("meta", []byte("text")); err != nil {
			t.Fatal(err)
		}
		if err := s.WriteMeta("meta", []byte("other")); !errors.Is(err, fs.ErrExist) {
			t.Errorf("written twice: %v", err)
		}
		name := s.root.Name() + "/meta"
		if got, err := os.ReadFile(name); err != nil || string(got) != "text" {
			t.Errorf("got %q, %v", got, err)
		}
		if st, err := os.Stat(name); err != nil || st.Mode() != 0o644 {
			t.Errorf("%v, %v", st.Mode(), err)
		}
		s.wantOnly(t)
	})
}

// TestSecureWithoutVerity: what must be protected, and cannot be, is not stored.
func TestSecureWithoutVerity(t *testing.T) {
	s := open(t, "objects", Config{Algorithm: verity.SHA256, Secure: true})
	err := s.WriteMeta("meta", nil)
	if err == nil {
		t.Skip("SKIPPED: the file system has fs-verity")
	}
	if !errors.Is(err, verity.ErrUnsupported) {
		t.Error(err)
	}
	if _, err := s.root.Lstat("meta"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("meta: %v", err)
	}
	if _, stored, err := s.PutBytes([]byte("x")); !errors.Is(err, verity.ErrUnsupported) {
		t.Errorf("%v, %v", stored, err)
	}
	s.wantOnly(t)
	id := verity.SHA256.Sum([]byte("x"))
	if err := os.MkdirAll(filepath.Dir(s.file(id)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.file(id), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(id); !errors.Is(err, verity.ErrUnsupported) {
		t.Errorf("an object without protection was opened: %v", err)
	}
}

// TestSecure needs a file system with fs-verity.
func TestSecure(t *testing.T) {
	for _, a := range []verity.Algorithm{verity.SHA256, verity.SHA512} {
		s := open(t, "objects", Config{Algorithm: a, Secure: true})
		if err := s.WriteMeta("meta", nil); errors.Is(err, verity.ErrUnsupported) {
			t.Skipf("SKIPPED: %v", err)
		}
		for _, data := range [][]byte{nil, []byte("x"), bytes.Repeat([]byte("y"), verity.Small+1)} {
			id, stored, err := s.Put(bytes.NewReader(data), int64(len(data)))
			if err != nil || !stored {
				t.Fatal(err)
			}
			if _, stored, err := s.PutBytes(data); err != nil || stored {
				t.Errorf("%s: stored twice: %v", id, err)
			}
			for _, other := range []string{string(data), strings.Repeat("z", len(data))} {
				// The right content without protection, and another, are no object.
				s.damage(t, id, []byte(other))
				if _, err := s.Verify(id); !corrupt.Is(err) {
					t.Errorf("%s: verified: %v", id, err)
				}
				if _, stored, err := s.PutBytes(data); err != nil || !stored {
					t.Errorf("%s: not replaced: %v", id, err)
				}
				if got, err := s.Read(id, 1<<20); err != nil || !bytes.Equal(got, data) {
					t.Errorf("%s: %d bytes, %v", id, len(got), err)
				}
			}
		}
	}
}
