// Package signed connects images in a repository with the digests and signatures claimed for
// them: it computes the digests of stored data, reads the artifacts that refer to an image, and
// creates such artifacts.
package signed

import (
	"fmt"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/manifest"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/seal"
	"cfs/lib/signature"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// Image is one that is stored, or about to be linked.
type Image struct {
	Digest                   digest.Digest
	ManifestJSON, ConfigJSON []byte
	Manifest                 v1.Manifest
	ConfigStream             verity.ID // zero if it is not stored yet
	Images                   map[variant.Variant]verity.ID
	Artifacts                []*oci.Link // that come with it, beside those that are stored
}

// Stored returns an image of the repository.
func Stored(r *repo.Repo, image *oci.Image) (*Image, error) {
	i := &Image{
		Digest: image.Manifest.Digest, ManifestJSON: image.Manifest.JSON, ConfigJSON: image.Config.JSON, Manifest: image.Manifest.Manifest,
		ConfigStream: image.Config.ID, Images: map[variant.Variant]verity.ID{},
	}
	for _, key := range image.Config.ImageKeys() {
		v, ok := variant.ParseKey(key)
		if !ok {
			continue
		}
		var err error
		if v.Format, err = oci.EROFSFormat(r, image.Config.Images[key]); err != nil {
			return nil, err
		}
		i.Images[v] = image.Config.Images[key]
	}
	return i, nil
}

// Linked returns an image that is about to be linked, with artifacts that belong to it.
func Linked(l *oci.Link, artifacts []*oci.Link) *Image {
	return &Image{Digest: l.Digest, ManifestJSON: l.ManifestJSON, ConfigJSON: l.ConfigJSON, Manifest: l.Manifest, Images: l.Images, Artifacts: artifacts}
}

// IDs computes the digests of an image: of its JSON, and of those EROFS images that signatures are
// of, which are opened for that: measured by the kernel or, without fs-verity, hashed.
func (i *Image) IDs(r *repo.Repo) (map[seal.Role]verity.ID, error) {
	ids := map[seal.Role]verity.ID{seal.Manifest: r.Algorithm.Sum(i.ManifestJSON), seal.Config: r.Algorithm.Sum(i.ConfigJSON)}
	for role, v := range map[seal.Role]variant.Variant{seal.Merged: {Format: variant.V1}, seal.Bootable: {Format: variant.V1, Boot: true}} {
		id, ok := i.Images[v]
		if !ok {
			continue
		}
		if _, err := oci.OpenEROFS(r, id); err != nil {
			return nil, err
		}
		ids[role] = id
	}
	return ids, nil
}

// Verify checks what is claimed of an image, as seal.Image.Verify does.
func (i *Image) Verify(r *repo.Repo, w seal.Wanted) (list []seal.Signature, warnings []string, err error) {
	ids, err := i.IDs(r)
	if err != nil {
		return nil, nil, err
	}
	artifacts, warnings, err := i.artifacts(r)
	if err != nil {
		return nil, nil, err
	}
	s := seal.Image{Digest: i.Digest, Manifest: i.Manifest, Artifacts: artifacts, Algorithm: r.Algorithm, IDs: ids, ConfigStream: i.ConfigStream}
	list, more, err := s.Verify(w)
	return list, append(warnings, more...), err
}

// artifacts returns the artifacts of signatures that belong to an image: those that come with it,
// and those that are stored. One that is missing in the repository is warned of.
func (i *Image) artifacts(r *repo.Repo) (list []seal.Artifact, warnings []string, err error) {
	seen := map[digest.Digest]bool{}
	for _, l := range i.Artifacts {
		seen[l.Digest] = true
		if list, err = i.add(list, r, l.Digest, l.Manifest, l.Streams); err != nil {
			return nil, nil, err
		}
	}
	stored, gone, err := oci.OpenReferrers(r, i.Digest)
	if err != nil {
		return nil, nil, err
	}
	for _, d := range gone {
		if !seen[d] {
			warnings = append(warnings, fmt.Sprintf("artifact %s is missing in the repository", d))
		}
	}
	for _, m := range stored {
		if seen[m.Digest] {
			continue
		}
		if list, err = i.add(list, r, m.Digest, m.Manifest, m.Streams); err != nil {
			return nil, nil, err
		}
	}
	return list, warnings, nil
}

// add adds an artifact if it is one of signatures of this image.
func (i *Image) add(list []seal.Artifact, r *repo.Repo, d digest.Digest, m v1.Manifest, streams map[oci.Key]verity.ID) ([]seal.Artifact, error) {
	if !manifest.IsSignatures(m) || m.Subject.Digest != i.Digest {
		return list, nil
	}
	if err := manifest.CheckSignatures(m); err != nil {
		return nil, fmt.Errorf("artifact %s: %w", d, err)
	}
	a := seal.Artifact{Digest: d, Manifest: m}
	for _, l := range m.Layers {
		blob, err := oci.ReadBlob(r, streams, l.Digest, signature.MaxSize)
		if err != nil {
			return nil, fmt.Errorf("artifact %s: %w", d, err)
		}
		a.Blobs = append(a.Blobs, blob)
	}
	return append(list, a), nil
}
