package objects

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"cfs/lib/fd"
	"cfs/lib/verity"
)

// Stray is an error about something that does not belong where it was found. It says
// nothing about what does: that was listed all the same.
type Stray struct {
	Path string // relative to the root of the store
	Is   string // what is wrong with it
}

func (s *Stray) Error() string { return s.Path + " " + s.Is }

// IsStray reports whether err, or an error that it wraps, is about something that does not
// belong where it was found.
func IsStray(err error) bool {
	_, ok := errors.AsType[*Stray](err)
	return ok
}

// List yields the digest of each object in ascending order. What has another name than a
// digest of the store, or is a directory, comes as a Stray. After any other error the list
// is not complete.
func (s *Store) List() iter.Seq2[verity.ID, error] {
	return func(yield func(verity.ID, error) bool) {
		for b := range 256 {
			if !s.listDir(fmt.Sprintf("%02x", b), yield) {
				return
			}
		}
	}
}

// listDir yields the objects whose digest begins with dir. It returns false to end.
func (s *Store) listDir(dir string, yield func(verity.ID, error) bool) bool {
	list, err := s.entries(s.in(dir))
	if errors.Is(err, unix.ENOTDIR) {
		err = &Stray{s.in(dir), "is no directory"}
	}
	if err != nil && !yield(verity.ID{}, err) {
		return false
	}
	for _, e := range list {
		id, ok := verity.ParseObjectPath(dir + "/" + e.Name())
		var err error
		if !ok || e.IsDir() || s.config.Algorithm != 0 && id.Algorithm() != s.config.Algorithm || strings.ToLower(e.Name()) != e.Name() {
			id, err = verity.ID{}, &Stray{s.in(dir) + "/" + e.Name(), "is no object"}
		}
		if !yield(id, err) {
			return false
		}
	}
	return true
}

// entries lists a directory by name; one that is missing is empty.
func (s *Store) entries(dir string) ([]fs.DirEntry, error) {
	d, err := s.root.OpenDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	list, err := fd.ReadDir(d)
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return list, err
}

// Empty reports whether nothing is in the folder of the store but what killed writers
// left.
func (s *Store) Empty() (bool, error) {
	list, err := s.entries(s.sub)
	for _, e := range list {
		if !strings.HasPrefix(e.Name(), tempPrefix) {
			return false, err
		}
	}
	return true, err
}

// Leftovers returns the paths, relative to the root, of objects that were being written
// when their writer was killed, or are being written now: they may be removed when there
// is no writer.
func (s *Store) Leftovers() ([]string, error) {
	list, err := s.entries(s.sub)
	var found []string
	for _, e := range list {
		if strings.HasPrefix(e.Name(), tempPrefix) {
			found = append(found, s.in(e.Name()))
		}
	}
	return found, err
}

// Remove removes an object. The error wraps fs.ErrNotExist if there is no such object. The
// caller keeps writers out, and knows that nothing refers to the object.
func (s *Store) Remove(id verity.ID) error {
	err := s.use(s.folder(id), func(dir int) error { return unix.Unlinkat(dir, base(id), 0) })
	if err != nil {
		return s.failObject(id, err)
	}
	return nil
}
