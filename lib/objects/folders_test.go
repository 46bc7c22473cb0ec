package objects

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/fd"
	"cfs/lib/verity"
)

// TestFault16: a symbolic link in the place of a folder of objects, or of the folder of the
// store, was followed: whoever may write into a repository chose where root writes. It is an
// error that names the link, and says nothing about the objects.
func TestFault16(t *testing.T) {
	for _, noTemp := range []bool{false, true} {
		for _, link := range []string{"objects", "objects/ab"} {
			for _, target := range []string{"inside", "outside"} {
				testLinkedFolder(t, noTemp, link, target)
			}
		}
	}
}

// inAB returns content whose object is in the folder ab.
func inAB(s *Store) (text []byte, id verity.ID) {
	for i := 0; ; i++ {
		text = []byte{byte(i), byte(i >> 8), byte(i >> 16)}
		if id = s.sum(text); id.Bytes()[0] == 0xab {
			return text, id
		}
	}
}

func testLinkedFolder(t *testing.T, noTemp bool, link, target string) {
	s := plain(t)
	s.noTemp.Store(noTemp)
	elsewhere := t.TempDir()
	if target == "inside" {
		elsewhere = s.root.Name() + "/inside"
	}
	text, id := inAB(s)
	s.put(t, text)
	if err := errors.Join(s.renew("objects"), s.renew("objects/ab"), os.RemoveAll(elsewhere), os.Rename(s.root.Name()+"/"+link, elsewhere),
		os.Symlink(elsewhere, s.root.Name()+"/"+link)); err != nil {
		t.Fatal(err)
	}
	before := count(t, elsewhere)
	for what, call := range map[string]func() error{
		"open":    func() error { _, err := s.Open(id); return err },
		"size":    func() error { _, err := s.Size(id); return err },
		"verify":  func() error { _, err := s.Verify(id); return err },
		"put":     func() error { _, _, err := s.PutBytes(text); return err },
		"large":   func() error { _, _, err := s.putLarge(strings.NewReader(string(text)), int64(len(text))); return err },
		"missing": func() error { _, err := s.FirstMissing([]verity.ID{id}); return err },
		"remove":  func() error { return s.Remove(id) },
		"the list": func() (err error) {
			for _, e := range s.List() {
				err = errors.Join(err, e)
			}
			return err
		},
	} {
		err := call()
		var found *fd.Symlink
		if !errors.As(err, &found) || found.Name != link || corrupt.IsDamage(err) || IsStray(err) {
			t.Errorf("%s leads %s, O_TMPFILE %v: %s: %v", link, target, !noTemp, what, err)
		}
	}
	if after := count(t, elsewhere); after != before {
		t.Errorf("%s leads %s: %d files became %d", link, target, before, after)
	}
}

// put stores an object.
func (s *Store) put(t *testing.T, text []byte) {
	t.Helper()
	if _, _, err := s.PutBytes(text); err != nil {
		t.Fatal(err)
	}
}

// count returns how many files are below a folder.
func count(t *testing.T, dir string) (n int) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(string, fs.DirEntry, error) error { n++; return nil })
	if err != nil {
		t.Error(err)
	}
	return n
}

// TestFewDescriptors: a store does with one handle of a folder, and needs no more descriptors
// than a quarter of what there may be.
func TestFewDescriptors(t *testing.T) {
	s := plain(t)
	s.folders.slots = s.folders.slots[:1]
	var ids []verity.ID
	for i := range 300 {
		text := []byte{byte(i), byte(i >> 8)}
		s.put(t, text)
		ids = append(ids, s.sum(text))
	}
	s.wantOnly(t, ids...)
	limit := unix.Rlimit{}
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	few := unix.Rlimit{Cur: 40, Max: limit.Max}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	n := len(newFolders().slots)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if n != 10 {
		t.Errorf("%d handles of 40", n)
	}
}

// TestFolderRemade: a folder that was removed is made again when an object is stored in it.
func TestFolderRemade(t *testing.T) {
	eachKind(t, func(t *testing.T, s *Store) {
		text, id := inAB(s)
		s.put(t, text)
		if err := os.RemoveAll(s.root.Name() + "/" + s.folder(id)); err != nil {
			t.Fatal(err)
		}
		s.put(t, text)
		s.wantOnly(t, id)
	})
}
