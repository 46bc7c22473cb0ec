package oci

import (
	"errors"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"cfs/lib/objects"
	"cfs/lib/repo"
)

// leaseAge is how old a lease may be before it is made anew.
const leaseAge = time.Hour

// Lease keeps the named stream for the pull of a manifest, until that is linked. It
// is durable after SyncLeases.
func Lease(r *repo.Repo, manifest digest.Digest, stream string) error {
	ref := leaseOf(manifest) + "/" + stream
	for old, err := range r.Refs(repo.Streams, leaseOf(manifest)) {
		if objects.IsStray(err) || err == nil && old.Name != ref {
			continue
		}
		if err != nil {
			return err
		}
		if time.Since(old.Made) < leaseAge {
			return nil
		}
		if err := r.RemoveRef(repo.Streams, ref); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return r.SetRef(repo.Streams, ref, stream)
}

// SyncLeases makes the leases for a manifest durable. That they have ended meanwhile is
// fine: another pull of the same image has linked it.
func SyncLeases(r *repo.Repo, manifest digest.Digest) error {
	if err := r.SyncNames(repo.Streams, ".", "refs", "refs/"+leaseFolder); err != nil {
		return err
	}
	err := r.SyncNames(repo.Streams, "refs/"+leaseOf(manifest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// DropLeases ends the leases for a manifest, but for those that another pull of the same
// image makes at this time, and ends itself.
func DropLeases(r *repo.Repo, manifest digest.Digest) error {
	err := r.RemoveRefs(repo.Streams, leaseOf(manifest))
	if errors.Is(err, unix.ENOTEMPTY) {
		return nil
	}
	return err
}

// TidyLeases removes the folders of leases that have ended, of pulls and of mounts. Nobody
// else may be at work in the repository.
func TidyLeases(r *repo.Repo) error {
	return errors.Join(r.RemoveEmptyFolders(repo.Streams, leaseFolder), r.RemoveEmptyFolders(repo.Images, mountFolder))
}

func leaseOf(manifest digest.Digest) string {
	return path.Join(leaseFolder, escaper.Replace(manifest.String()))
}

// IsLease reports whether a ref is a lease.
func IsLease(ref repo.Ref) bool { return strings.HasPrefix(ref.Name, leaseFolder+"/") }
