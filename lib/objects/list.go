package objects

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"cfs/lib/fd"
	"cfs/lib/verity"
)

// Stray is an error about something that does not belong where it was found. It says
// nothing about what does: that was listed all the same.
type Stray struct {
	Path string    // relative to the root of the store
	Is   string    // what is wrong with it
	ID   verity.ID // the object whose name it has, as a directory; else zero
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
		for first := range 256 {
			for id, err := range s.listFolder(byte(first)) {
				if !yield(id, err) {
					return
				}
			}
		}
	}
}

// listFolder is List for the objects whose digest begins with a byte.
func (s *Store) listFolder(first byte) iter.Seq2[verity.ID, error] {
	return func(yield func(verity.ID, error) bool) {
		ids, strays, err := s.Folder(first)
		slices.SortFunc(ids, verity.ID.Compare)
		for _, id := range ids {
			if !yield(id, nil) {
				return
			}
		}
		for _, stray := range strays {
			if !yield(verity.ID{}, stray) {
				return
			}
		}
		if err != nil {
			yield(verity.ID{}, err)
		}
	}
}

// Folder returns the objects whose digest begins with a byte, in no certain order, and
// what else there is. After an error the lists are not complete.
func (s *Store) Folder(first byte) (ids []verity.ID, strays []*Stray, err error) {
	path := s.in(fmt.Sprintf("%02x", first))
	d, err := s.root.OpenDir(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, nil
	case errors.Is(err, unix.ENOTDIR):
		return nil, []*Stray{{Path: path, Is: "is not a directory"}}, nil
	case err != nil:
		return nil, nil, err
	}
	defer d.Close()
	err = fd.Names(d, func(name []byte, directory bool) {
		id, ok := s.parse(first, name)
		if ok && !directory {
			ids = append(ids, id)
			return
		}
		strays = append(strays, &Stray{path + "/" + string(name), "is no object", id})
	})
	slices.SortFunc(strays, func(a, b *Stray) int { return strings.Compare(a.Path, b.Path) })
	return ids, strays, err
}

// parse reads the name of an object in its folder.
func (s *Store) parse(first byte, name []byte) (verity.ID, bool) {
	if s.config.Algorithm != 0 {
		return s.config.Algorithm.ParseObjectName(first, name)
	}
	id, ok := verity.SHA512.ParseObjectName(first, name)
	if !ok {
		id, ok = verity.SHA256.ParseObjectName(first, name)
	}
	return id, ok
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
func (s *Store) Leftovers() (found []string, err error) {
	dirs := []string{"."}
	if s.sub != "." {
		dirs = append(dirs, s.sub)
	}
	for _, dir := range dirs {
		list, err := s.entries(dir)
		if err != nil {
			return found, err
		}
		for _, e := range list {
			if strings.HasPrefix(e.Name(), tempPrefix) {
				found = append(found, path.Join(dir, e.Name()))
			}
		}
	}
	return found, nil
}

// Remove removes an object, or a directory that has its name. The error wraps fs.ErrNotExist if
// there is neither. The caller keeps writers out, and knows that nothing refers to the object.
func (s *Store) Remove(id verity.ID) error {
	err := s.use(s.folder(id), func(dir int) error { return unix.Unlinkat(dir, base(id), 0) })
	if err == unix.EISDIR {
		err = cause(s.root.RemoveAll(s.path(id)))
	}
	if err != nil {
		return s.failObject(id, err)
	}
	return nil
}
