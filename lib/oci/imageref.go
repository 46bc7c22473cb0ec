package oci

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/missing"
	"cfs/lib/objects"
	"cfs/lib/repo"
)

// ImageRefs returns the refs of EROFS images, which NameImage makes: those below images/refs
// that are no leases. After an error the list is not complete.
func ImageRefs(r *repo.Repo) (refs []repo.Ref, err error) {
	for ref, refErr := range r.Refs(repo.Images, "") {
		_, mounted := MountOf(ref)
		switch {
		case objects.IsStray(refErr):
		case refErr != nil:
			err = errors.Join(err, refErr)
		case !mounted && !IsLease(ref):
			refs = append(refs, ref)
		}
	}
	return refs, err
}

// CheckImageRef returns why a name cannot be that of a new ref of an EROFS image, nil if it
// can.
func CheckImageRef(name string) error {
	for _, folder := range []string{leaseFolder, mountFolder} {
		if name == folder || strings.HasPrefix(name, folder+"/") {
			return fmt.Errorf("%q cannot be a ref: %s is for leases", name, folder)
		}
	}
	return checkText(name, "a ref")
}

// ImageRef returns the name of the EROFS image that a ref of images leads to. The error
// wraps fs.ErrNotExist if there is no such ref, or it is a lease.
func ImageRef(r *repo.Repo, name string) (string, error) {
	target, err := r.Ref(repo.Images, name)
	ref := repo.Ref{Name: name, Target: target}
	_, mounted := MountOf(ref)
	isFolder := corrupt.Is(err) || errors.Is(err, unix.ENOTDIR) // or below a ref
	if mounted || IsLease(ref) || isFolder || errors.Is(err, fs.ErrNotExist) {
		return "", missing.Errorf("refs/%s: no such ref of an EROFS image", name)
	}
	return target, err
}

// MatchImageRefs returns the refs of EROFS images that a pattern matches, as Match does. The
// error wraps fs.ErrNotExist if there is none.
func MatchImageRefs(r *repo.Repo, pattern string) (names []string, err error) {
	if _, err := ImageRef(r, pattern); !errors.Is(err, fs.ErrNotExist) {
		return []string{pattern}, err
	}
	refs, err := ImageRefs(r)
	if err != nil {
		return nil, err
	}
	for _, ref := range refs {
		ok, err := matches(pattern, ref.Name)
		if err != nil {
			return nil, err
		}
		if ok {
			names = append(names, ref.Name)
		}
	}
	if names == nil {
		return nil, missing.Errorf("refs/%s: no such ref of an EROFS image", pattern)
	}
	return names, nil
}

// RemoveImageRef removes a ref of an EROFS image, durably, and nothing that it leads to.
func RemoveImageRef(r *repo.Repo, name string) error {
	if err := r.RemoveRef(repo.Images, name); err != nil {
		return fmt.Errorf("refs/%s: %w", name, err)
	}
	return r.SyncNames()
}
