package repo

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"

	"cfs/lib/verity"
)

// Objects gives the digest of each object, in order. What has another name than a
// digest of the repository, or is a directory, comes as an error that tells its path.
func (r *Repo) Objects() iter.Seq2[verity.ID, error] {
	return func(yield func(verity.ID, error) bool) {
		for b := range 256 {
			dir := fmt.Sprintf("objects/%02x", b)
			list, err := r.entries(dir)
			if err != nil && !yield(verity.ID{}, err) {
				return
			}
			slices.SortFunc(list, func(a, b os.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
			for _, e := range list {
				id, ok := verity.ParseObjectPath(dir[len("objects/"):] + "/" + e.Name())
				var err error
				if !ok || e.IsDir() || r.Algorithm != 0 && id.Algorithm() != r.Algorithm || id.ObjectPath()[3:] != e.Name() {
					id, err = verity.ID{}, fmt.Errorf("%s/%s is no object", dir, e.Name())
				}
				if !yield(id, err) {
					return
				}
			}
		}
	}
}

// RemoveObject removes an object and returns the bytes that it had. The caller
// holds the exclusive lock and knows that nothing refers to it.
func (r *Repo) RemoveObject(id verity.ID) (size int64, err error) {
	path := "objects/" + id.ObjectPath()
	st, err := r.root.Lstat(path)
	if err != nil {
		return 0, err
	}
	return st.Size(), r.root.Remove(path)
}

// ObjectSize returns the size of an object in bytes, without opening it.
func (r *Repo) ObjectSize(id verity.ID) (int64, error) {
	st, err := r.root.Lstat("objects/" + id.ObjectPath())
	if err != nil {
		return 0, fmt.Errorf("object %s: %w", id, errors.Unwrap(err))
	}
	return st.Size(), nil
}

// ObjectsDir opens the directory of the objects, for the kernel to look them up.
func (r *Repo) ObjectsDir() (*os.File, error) { return r.root.Open("objects") }
