// Package bootloader installs, lists and removes boot entries of container images in the
// directory of a boot loader. An installed entry refers to a boot image, which a ref in the
// repository keeps: images/refs/boot/ID/DIGEST.
//
// Installation writes files, ref, entry; removal deletes entry, files, ref. So even after a kill,
// an existing entry has its files, and its image a ref.
package bootloader

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"cfs/lib/esp"
	"cfs/lib/flock"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/verity"
)

// refFolder is where refs of installed images are, below images/refs.
const refFolder = "boot"

func refOf(id string, image verity.ID) string { return path.Join(refFolder, id, image.String()) }

// Installed is an entry of a boot directory, as it is listed.
type Installed struct {
	Image    verity.ID // zero if only a ref, or a file that names none, is known
	Name     string    // the tag, or ""
	Manifest string    // its digest, or ""
	Entry
	Booted   bool
	Problems []string
}

// refs returns the images that refs keep, by the IDs of their entries.
func refs(r *repo.Repo) (map[string][]verity.ID, error) {
	kept := map[string][]verity.ID{}
	all, err := oci.ImageRefs(r)
	for _, ref := range all {
		id, hex, ok := strings.Cut(strings.TrimPrefix(ref.Name, refFolder+"/"), "/")
		image, parseErr := verity.ParseID(hex)
		if strings.HasPrefix(ref.Name, refFolder+"/") && ok && parseErr == nil && ref.Target == hex {
			kept[id] = append(kept[id], image)
		}
	}
	return kept, err
}

func hasRef(r *repo.Repo, id string, image verity.ID) (bool, error) {
	target, err := r.Ref(repo.Images, refOf(id, image))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && target == image.String(), err
}

// dropRef removes a ref durably, and the folder of the ID if it is empty then. That there is
// none is fine.
func dropRef(r *repo.Repo, id string, image verity.ID) error {
	err := oci.RemoveImageRef(r, refOf(id, image))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return r.RemoveEmptyFolders(repo.Images, refFolder)
}

// Action is what is done to a file.
type Action struct {
	Do   string // "write", "keep" or "remove"
	Path string // below the boot directory, or the state folder
	Size int64
}

// String returns the action as a line of a dry run.
func (a Action) String() string { return fmt.Sprintf("%s %s %d", a.Do, a.Path, a.Size) }

// Target is where entries are installed.
type Target struct {
	Repo   *repo.Repo
	Folder *esp.Folder
	Lock   flock.Lock
	State  string      // folder of state/deploy, or "" for none
	Warn   func(error) // of what is odd
}

func (t *Target) warn(list []error) {
	for _, err := range list {
		t.Warn(err)
	}
}
