package oci

import (
	"bufio"
	"fmt"
	"io"

	"cfs/lib/corrupt"
	"cfs/lib/erofs"
	"cfs/lib/repo"
	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// StoreImage stores the EROFS image of a container's tree in a format and returns its
// digest. It is durable, and named under images/, when StoreImage returns.
func StoreImage(r *repo.Repo, root *tree.Inode, f variant.Format) (verity.ID, error) {
	return StoreEROFS(r, func(w io.Writer) error { return erofs.WriteUnsignedTimes(w, root, f) })
}

// StoreEROFS is StoreImage for what write writes.
func StoreEROFS(r *repo.Repo, write func(io.Writer) error) (verity.ID, error) {
	o, err := r.Objects.NewObject()
	if err != nil {
		return verity.ID{}, err
	}
	defer o.Discard()
	out := bufio.NewWriterSize(o, 1<<20)
	if err := write(out); err != nil {
		return verity.ID{}, fmt.Errorf("EROFS image: %w", err)
	}
	if err := out.Flush(); err != nil {
		return verity.ID{}, err
	}
	id, stored, err := o.Commit()
	if err != nil {
		return verity.ID{}, err
	}
	if old, err := r.Lookup(repo.Images, id.String()); err != nil || old != id || stored {
		if err := r.Sync(); err != nil {
			return verity.ID{}, err
		}
	}
	return id, NameEROFS(r, id)
}

// NameEROFS gives an EROFS image, which is durable, its name under images/, durably. It may
// have the name already, from somebody who was killed before that was flushed.
func NameEROFS(r *repo.Repo, id verity.ID) error {
	if err := r.Link(repo.Images, id.String(), id); err != nil {
		return err
	}
	return r.SyncNames()
}

// NameImage makes or moves a ref to an EROFS image, durably.
func NameImage(r *repo.Repo, ref string, id verity.ID) error {
	if err := r.SetRef(repo.Images, ref, id.String()); err != nil {
		return err
	}
	return r.SyncNames()
}

// OpenEROFS opens an EROFS image that is named under images/. The error wraps
// fs.ErrNotExist if there is none.
func OpenEROFS(r *repo.Repo, id verity.ID) (*erofs.Reader, error) {
	if err := namedImage(r, id); err != nil {
		return nil, err
	}
	data, err := r.Objects.Read(id, erofs.MaxSize)
	if err != nil {
		return nil, fmt.Errorf("EROFS image: %w", err)
	}
	if !r.Secure && r.Algorithm.Sum(data) != id {
		return nil, corrupt.Errorf("EROFS image %s: its content has a different digest", id)
	}
	image, err := erofs.Open(data)
	if err != nil {
		return nil, fmt.Errorf("EROFS image %s: %w", id, err)
	}
	return image, nil
}

func namedImage(r *repo.Repo, id verity.ID) error {
	named, err := r.Lookup(repo.Images, id.String())
	if err != nil {
		return fmt.Errorf("EROFS image: %w", err)
	}
	if named != id {
		return corrupt.Errorf("images/%s points to the object %s", id, named)
	}
	return nil
}

// EROFSFormat returns the format of an EROFS image that is named under images/,
// from its first bytes. The error is as that of OpenEROFS.
func EROFSFormat(r *repo.Repo, id verity.ID) (variant.Format, error) {
	if err := namedImage(r, id); err != nil {
		return 0, err
	}
	f, err := r.Objects.Open(id)
	if err != nil {
		return 0, fmt.Errorf("EROFS image: %w", err)
	}
	defer f.Close()
	v, err := erofs.ReadFormat(f)
	if err != nil {
		return 0, fmt.Errorf("EROFS image %s: %w", id, err)
	}
	return v, nil
}
