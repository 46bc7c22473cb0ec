// Package build makes one EROFS image.
//
//	input     a dumpfile, a directory, a container image of the repository, another image
//	recipe    the tree that was read, and how the image of it is written
//	output    only the digest, a file, the repository
//
// An Input reads any of these into a Recipe, with the requested hash and format or those that
// follow from the input. The image is then written to any output. A Container builds the trees of
// a container image: of the plain image and of the boot image, including one of which only the
// digest is given.
//
// Package pull handles images that come through the pipe, with their records.
package build

import (
	"fmt"
	"io"

	"cfs/lib/erofs"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// Recipe is a tree and how the EROFS image of it is made. It makes the same bytes each time
// that it is written.
type Recipe struct {
	Root          *tree.Inode
	Algorithm     verity.Algorithm // of the digest of the image
	Format        variant.Format
	UnsignedTimes bool // order times before 1970 as composefs-rs does in containers
	Stored        bool // the objects of the tree were just stored where Store stores the image
}

// Write writes the image.
func (x *Recipe) Write(w io.Writer) error {
	if x.UnsignedTimes {
		return erofs.WriteUnsignedTimes(w, x.Root, x.Format)
	}
	return erofs.Write(w, x.Root, x.Format)
}

// Digest returns the digest of the image, which is written nowhere.
func (x *Recipe) Digest() (verity.ID, error) {
	hash := x.Algorithm.New()
	err := x.Write(hash)
	return hash.ID(), err
}

// Store stores the image in a repository and returns its digest, which is by the hash of the
// repository. The image is durable, and named under images/, when Store returns; if ref is not
// empty, that ref leads to it. The error wraps fs.ErrNotExist, and contains the path of the
// file, if the repository lacks an object of the tree.
func (x *Recipe) Store(r *repo.Repo, ref string) (verity.ID, error) {
	if !x.Stored {
		if err := x.checkObjects(r); err != nil {
			return verity.ID{}, err
		}
	}
	id, err := oci.StoreEROFS(r, x.Write)
	if err == nil && ref != "" {
		err = oci.NameImage(r, ref, id)
	}
	return id, err
}

func (x *Recipe) checkObjects(r *repo.Repo) error {
	for path, n := range tree.Walk(x.Root) {
		if n.Object.IsZero() {
			continue
		}
		if _, err := r.Objects.Size(n.Object); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}
