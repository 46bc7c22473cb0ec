package oci

import (
	"iter"
	"strings"

	"cfs/lib/mount"
	"cfs/lib/repo"
	"cfs/lib/verity"
)

// mountFolder has a folder for each mount that was made, below images/refs. Its name is
// the ID of the mount, and the one ref in it leads to the image. Nothing of it is flushed:
// when the machine stops, all its mounts end.
const mountFolder = "cfs-mount"

// LeaseMount keeps an EROFS image, which must be named, as long as a mount of it may be
// there.
func LeaseMount(r *repo.Repo, m mount.ID, id verity.ID) error {
	return r.SetRef(repo.Images, mountRef(m, id), id.String())
}

// DropMount ends the lease of a mount.
func DropMount(r *repo.Repo, m mount.ID) error {
	return r.RemoveRefs(repo.Images, mountFolder+"/"+m.String())
}

func mountRef(m mount.ID, id verity.ID) string {
	return mountFolder + "/" + m.String() + "/" + id.String()
}

// MountOf returns the mount that a ref of an image is the lease of. One that LeaseMount
// does not make is a ref like any other.
func MountOf(ref repo.Ref) (m mount.ID, ok bool) {
	f := strings.Split(ref.Name, "/")
	if len(f) != 3 || f[0] != mountFolder || f[2] != ref.Target {
		return mount.ID{}, false
	}
	return mount.ParseID(f[1])
}

// MountLeases yields the leases of mounts. After an error the list is not complete.
func MountLeases(r *repo.Repo) iter.Seq2[repo.Ref, error] {
	return func(yield func(repo.Ref, error) bool) {
		for ref, err := range r.Refs(repo.Images, mountFolder) {
			if _, ok := MountOf(ref); !ok && err == nil {
				continue
			}
			if !yield(ref, err) {
				return
			}
		}
	}
}
