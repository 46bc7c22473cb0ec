// Package lookup resolves the operands of commands: a container image, an EROFS image or a stream
// of a repository, by tag, digest or abbreviated digest; or a file. It ensures that a name means
// the same in all tools.
//
// Packages repo and oci define how names are stored and what they refer to.
package lookup

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/opencontainers/go-digest"

	"cfs/lib/corrupt"
	"cfs/lib/missing"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// Found is what an operand names in a repository: a container image or an artifact, or
// one EROFS image alone.
type Found struct {
	Operand string
	Image   *oci.Image // nil for an EROFS image
	ID      verity.ID  // of the EROFS image, which need not exist; zero for all else
}

// Find looks up what an operand names: a tag; the digest of a manifest or, if there is
// none, of a config, with or without a leading "@"; or the fs-verity digest of an
// EROFS image, bare hex digits of the length of the repository's digests. Where no tag
// has that name, a ref of an EROFS image names it, with or without "refs/" before it; then the
// first 12 or more hex digits of one of these digests.
//
// The error wraps fs.ErrNotExist if there is nothing of that name, and
// repo.ErrAmbiguous if several digests begin like the operand.
func Find(r *repo.Repo, operand string) (Found, error) {
	if isDigest(r, operand) {
		return findDigest(r, operand, operand)
	}
	d, err := oci.Tag(r, operand)
	if isAbsent(err) {
		if found, refErr := findRef(r, operand); !isAbsent(refErr) {
			return found, refErr
		}
		full, prefixErr := complete(r, operand, imageDigests(r))
		if prefixErr != nil {
			return Found{}, prefixErr
		}
		if full != "" {
			return findDigest(r, operand, full)
		}
	}
	if err != nil {
		return Found{}, err
	}
	image, err := oci.OpenImage(r, d)
	return Found{Operand: operand, Image: image}, err
}

// findRef finds the EROFS image of a ref.
func findRef(r *repo.Repo, operand string) (Found, error) {
	name, err := oci.ImageRef(r, strings.TrimPrefix(operand, "refs/"))
	if err != nil {
		return Found{}, err
	}
	id, ok := verityID(r, name)
	if !ok {
		return Found{}, corrupt.Errorf("refs/%s points to %q, which is not an EROFS image", operand, name)
	}
	return Found{Operand: operand, ID: id}, nil
}

// Image is Find for commands that have no use for an EROFS image alone: its digest stands
// for the container image that has it. If several have it, the error wraps
// repo.ErrAmbiguous and lists them.
func Image(r *repo.Repo, operand string) (*oci.Image, error) {
	found, err := Find(r, operand)
	if err == nil && found.Image == nil {
		return findByEROFS(r, found)
	}
	return found.Image, err
}

// Container is Image for commands that have no use for artifacts. For these the error
// wraps oci.ErrArtifact.
func Container(r *repo.Repo, operand string) (*oci.Image, error) {
	image, err := Image(r, operand)
	if err == nil {
		err = Found{Operand: operand, Image: image}.CheckContainer()
	}
	return image, err
}

// CheckContainer returns an error that wraps oci.ErrArtifact if that is what was found.
func (f Found) CheckContainer() error {
	if f.Image == nil || f.Image.Manifest.IsContainer() {
		return nil
	}
	return fmt.Errorf("%s %w", f.Operand, oci.ErrArtifact)
}

// EROFS returns the digest of the EROFS image: the one that was named by it, whatever v is,
// or the one of variant v of a container image. The error wraps fs.ErrNotExist if it does
// not have that, as no artifact does.
func (f Found) EROFS(v variant.Variant) (verity.ID, error) {
	if f.Image == nil {
		return f.ID, nil
	}
	id, ok := f.Image.Config.Images[v.Key()]
	if !ok {
		kind := "EROFS"
		if v.Boot {
			kind = "boot"
		}
		return verity.ID{}, missing.Errorf("%s has no %s image of format %d", f.Operand, kind, v.Format)
	}
	return id, nil
}

// ErrNoDigest is why an operand that must be a digest is a usage error.
var ErrNoDigest = errors.New("is not a digest")

// isAbsent reports whether an error of a look-up says that there is nothing of that name.
// That it could not be looked up, or what it leads to is damaged, is no absence.
func isAbsent(err error) bool { return errors.Is(err, fs.ErrNotExist) && !corrupt.Is(err) }

// isDigest reports whether an operand is a digest in full, which no tag can hide.
func isDigest(r *repo.Repo, operand string) bool {
	_, ok := verityID(r, operand)
	return ok || ociDigest(operand).Validate() == nil
}

func ociDigest(operand string) digest.Digest { return digest.Digest(strings.TrimPrefix(operand, "@")) }

func verityID(r *repo.Repo, operand string) (verity.ID, bool) {
	id, err := verity.ParseID(operand)
	return id, err == nil && id.Algorithm() == r.Algorithm
}

// findDigest finds what a digest in full is of, for an operand.
func findDigest(r *repo.Repo, operand, full string) (Found, error) {
	if id, ok := verityID(r, full); ok {
		return Found{Operand: operand, ID: id}, nil
	}
	d := ociDigest(full)
	image, err := oci.OpenImage(r, d)
	if isAbsent(err) {
		switch _, lookup := r.Lookup(repo.Streams, oci.ManifestName(d)); {
		case isAbsent(lookup):
			image, err = findByConfig(r, d)
		case lookup != nil:
			err = lookup
		} // else something that it needs is missing, not the manifest
	}
	return Found{Operand: operand, Image: image}, err
}

// findByConfig opens the first image, by its digest, that has the config d.
func findByConfig(r *repo.Repo, d digest.Digest) (*oci.Image, error) {
	names, err := r.Names(repo.Streams)
	if err != nil {
		return nil, err
	}
	var unread error
	for _, name := range names {
		kind, manifest, ok := oci.ParseName(name)
		if !ok || kind != oci.KindManifest {
			continue
		}
		m, err := oci.OpenManifest(r, manifest)
		switch {
		case err == nil && m.Manifest.Config.Digest == d:
			return oci.OpenImage(r, m.Digest)
		case err != nil && !isAbsent(err) && unread == nil:
			unread = err
		}
	}
	if unread != nil {
		return nil, fmt.Errorf("config %s: %w", d, unread) // it may be the one of that manifest
	}
	return nil, missing.Errorf("no manifest and no config %s", d)
}
