package oci

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"cfs/lib/corrupt"
	"cfs/lib/repo"
	"cfs/lib/verity"

	"golang.org/x/sys/unix"
)

// Reach is the set of objects that are reachable from the roots that were added.
// References are followed by the objects that they name, never by who has a name now: so
// a config that was rewritten, while its manifest still refers to the old one, keeps all
// that it needs.
type Reach struct {
	Objects verity.Set

	warn   func(error)
	repo   *repo.Repo
	walked map[verity.ID]struct{} // streams and images that were followed
}

// NewReach returns an empty set of objects of r. warn is told what is missing and keeps
// nothing from being found.
//
// An error of a method says that something could not be read to its end, and so that the
// set is not complete.
func NewReach(r *repo.Repo, warn func(error)) *Reach {
	return &Reach{warn: warn, repo: r, walked: map[verity.ID]struct{}{}}
}

// Has reports whether an object is in the set.
func (k *Reach) Has(id verity.ID) bool { return k.Objects.Has(id) }

// first reports whether id is followed for the first time.
func (k *Reach) first(id verity.ID) bool {
	_, again := k.walked[id]
	k.walked[id] = struct{}{}
	k.Objects.Add(id)
	return !again
}

// AddStream adds a stream and all that it refers to.
func (k *Reach) AddStream(id verity.ID) error {
	if !k.first(id) {
		return nil
	}
	err := k.followStream(id)
	if err != nil {
		delete(k.walked, id) // to fail again, whoever else leads to it
	}
	return err
}

func (k *Reach) followStream(id verity.ID) error {
	needs, unread := ReadNeeds(k.repo, id)
	k.Objects.Add(needs.Objects...)
	for _, ref := range needs.Images {
		if err := k.keepImage(ref.ID); err != nil {
			return inStream(id, ref, err)
		}
	}
	for _, ref := range needs.Streams {
		if err := k.AddStream(ref.ID); err != nil {
			return inStream(id, ref, err)
		}
	}
	return unread
}

// keepImage adds an EROFS image alone: its files are kept by the layers that it was
// made from. One that is missing is made again by the next pull.
func (k *Reach) keepImage(id verity.ID) error {
	k.Objects.Add(id)
	_, err := k.repo.Objects.Size(id)
	if errors.Is(err, fs.ErrNotExist) {
		k.warn(fmt.Errorf("EROFS image: %w", err))
		return nil
	}
	return err
}

// AddImage adds an EROFS image and the objects of its files.
func (k *Reach) AddImage(id verity.ID) error {
	if !k.first(id) {
		return nil
	}
	err := k.followImage(id)
	if err != nil {
		delete(k.walked, id)
	}
	return err
}

func (k *Reach) followImage(id verity.ID) error {
	image, err := OpenEROFS(k.repo, id)
	if err != nil {
		return err
	}
	err = image.Objects(func(object verity.ID) error {
		k.Objects.Add(object)
		return nil
	})
	if err != nil {
		return fmt.Errorf("EROFS image %s: %w", id, err)
	}
	return nil
}

// AddName adds what a first-level name of a category stands for.
func (k *Reach) AddName(c repo.Category, name string) error {
	id, err := k.repo.Lookup(c, name)
	if err != nil {
		return err
	}
	if c == repo.Images {
		err = k.AddImage(id)
	} else {
		err = k.AddStream(id)
	}
	if err != nil {
		return fmt.Errorf("%s/%s: %w", c, name, err)
	}
	return nil
}

// AddMounted adds what is mounted, by the names that the mounts tell. Names of other
// repositories' images mean nothing here.
func (k *Reach) AddMounted(names []string) error {
	for _, name := range names {
		name, err := k.mountedName(name)
		if err == nil {
			err = k.AddName(repo.Images, name)
		}
		if errors.Is(err, fs.ErrNotExist) && !corrupt.Is(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("mounted image: %w", err)
		}
	}
	return nil
}

// mountedName returns the first-level name of a mounted image: its digest, or where a ref
// leads.
func (k *Reach) mountedName(name string) (string, error) {
	if id, err := verity.ParseID(name); err == nil {
		return id.String(), nil
	}
	ref, err := k.repo.Ref(repo.Images, strings.TrimPrefix(name, "refs/"))
	// No ref; or a folder of refs, or a name below that of a ref.
	if corrupt.OrMissing(err) || errors.Is(err, unix.ENOTDIR) {
		return name, nil
	}
	return ref, err
}
