package oci

import (
	"errors"
	"strings"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"cfs/lib/repo"
	"cfs/lib/verity"
)

// Lease keeps the named stream for the pull of a manifest, until that is linked. It is
// renewed by each attempt, so that it ends no sooner than the attempt may. It is durable
// after r.SyncNames.
func Lease(r *repo.Repo, manifest digest.Digest, stream string) error {
	if err := noteLease(r, manifest); err != nil {
		return err
	}
	return r.RenewRef(repo.Streams, leaseOf(manifest)+"/"+stream, stream)
}

// LeaseImage is Lease for an EROFS image. It need not become durable: it keeps the image from
// a collection between stages that are alive, and a pull that is run again makes it again.
func LeaseImage(r *repo.Repo, manifest digest.Digest, id verity.ID) error {
	if err := noteLease(r, manifest); err != nil {
		return err
	}
	return r.RenewRef(repo.Images, leaseOf(manifest)+"/"+id.String(), id.String())
}

// leased are the categories that have leases.
var leased = []repo.Category{repo.Streams, repo.Images}

// DropLeases ends the leases for a manifest, but for those that another pull of the same
// image makes at this time, and ends itself.
func DropLeases(r *repo.Repo, manifest digest.Digest) error {
	for _, c := range leased {
		err := r.RemoveRefs(c, leaseOf(manifest))
		if errors.Is(err, unix.ENOTEMPTY) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return r.RemoveNote(noteOf(folderOf(manifest)))
}

// TidyLeases removes the folders of leases that have ended, of pulls and of mounts. Nobody
// else may be at work in the repository.
func TidyLeases(r *repo.Repo) error {
	for _, c := range leased {
		if err := r.RemoveEmptyFolders(c, leaseFolder); err != nil {
			return err
		}
	}
	return errors.Join(r.RemoveEmptyFolders(repo.Images, mountFolder), tidyNotes(r))
}

func leaseOf(manifest digest.Digest) string { return leaseFolder + "/" + folderOf(manifest) }

func folderOf(manifest digest.Digest) string { return escaper.Replace(manifest.String()) }

// IsLease reports whether a ref is a lease.
func IsLease(ref repo.Ref) bool { return strings.HasPrefix(ref.Name, leaseFolder+"/") }

// LeasedFor returns the manifest whose pull a lease belongs to.
func LeasedFor(lease repo.Ref) digest.Digest {
	folder, _, _ := strings.Cut(strings.TrimPrefix(lease.Name, leaseFolder+"/"), "/")
	return digest.Digest(unescaper.Replace(folder))
}
