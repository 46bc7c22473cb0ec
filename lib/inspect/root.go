package inspect

import (
	"errors"
	"io/fs"
	"iter"

	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/tolerance"
	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// Root returns the file system of a container image: the one in its EROFS image in the
// default format or, if there is none, its layers merged. It is nil for an artifact.
func Root(r *repo.Repo, image *oci.Image) (*tree.Inode, error) {
	if !image.Manifest.IsContainer() {
		return nil, nil
	}
	id := image.Config.Images[variant.Variant{Format: r.Formats[0]}.Key()]
	if !id.IsZero() {
		root, err := StoredRoot(r, id)
		if !errors.Is(err, fs.ErrNotExist) || corrupt.Is(err) {
			return root, err
		}
	}
	return oci.Tree(r, image.Keys, image.Stream, variant.AllowlistOnly, &tolerance.Rules{})
}

// StoredRoot returns the file system in an EROFS image of the repository.
func StoredRoot(r *repo.Repo, id verity.ID) (*tree.Inode, error) {
	image, err := oci.OpenEROFS(r, id)
	if err != nil {
		return nil, err
	}
	return image.Tree()
}

// Paths yields the paths of the files whose content is one of some objects.
func Paths(root *tree.Inode, has func(verity.ID) bool) iter.Seq[string] {
	return func(yield func(string) bool) {
		for path, n := range tree.Walk(root) {
			if !n.Object.IsZero() && has(n.Object) && !yield(path) {
				return
			}
		}
	}
}

// Holds returns what is at a path in a file system, as Find does, nil if there is nothing.
func Holds(root *tree.Inode, path string) (*tree.Inode, error) {
	n, err := Find(root, path, false)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return nil, nil
	}
	return n, err
}
