package source

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/blob"
	"cfs/lib/corrupt"
	"cfs/lib/manifest"
	"cfs/lib/missing"
	"cfs/lib/registry"
)

// Publication is what a layout has of signatures, to be put into a registry.
type Publication struct {
	layout    *manifest.Layout
	Artifacts []Referrer
}

// OpenPublication reads the artifacts of signatures that the layout at a path has, of whatever
// images. They and their blobs are verified, and within the limits of Referrers. The error wraps
// fs.ErrNotExist if there is none, or a blob of one is missing.
func OpenPublication(ctx context.Context, path string) (*Publication, error) {
	l, err := manifest.OpenLayout(path)
	if err != nil {
		return nil, err
	}
	candidates, err := l.Referrers("")
	if err != nil {
		return nil, err
	}
	p, size, of := &Publication{layout: l}, 0, map[digest.Digest]int{}
	for _, d := range candidates {
		r, err := readReferrer(ctx, reader(layout{Layout: l}), d)
		switch {
		case errors.Is(err, errOther):
			continue
		case err == nil:
			err = p.check(r)
		}
		if err != nil {
			return nil, fmt.Errorf("OCI layout %s: artifact %s: %w", path, d.Digest, err)
		}
		size, of[r.Manifest.Subject.Digest] = size+len(r.JSON), of[r.Manifest.Subject.Digest]+1
		if of[r.Manifest.Subject.Digest] > maxReferrers || size > blob.MaxJSON {
			return nil, corrupt.Errorf("OCI layout %s: more than %d signature artifacts of one image, or %d bytes of manifests", path, maxReferrers, blob.MaxJSON)
		}
		p.Artifacts = append(p.Artifacts, r)
	}
	if len(p.Artifacts) == 0 {
		return nil, missing.Errorf("OCI layout %s has no signature artifacts (cfs-link export-signatures writes them)", path)
	}
	return p, nil
}

// check refuses an artifact that is too large, or not whole.
func (p *Publication) check(r Referrer) error {
	if err := manifest.CheckSignatures(r.Manifest); err != nil {
		return err
	}
	if err := r.Manifest.Subject.Digest.Validate(); err != nil {
		return corrupt.Errorf("subject %q: %w", r.Manifest.Subject.Digest, err)
	}
	for _, d := range r.blobs() {
		if _, err := p.read(d); err != nil {
			return err
		}
	}
	return nil
}

// blobs returns the descriptors of all that a manifest needs.
func (r Referrer) blobs() []v1.Descriptor {
	return append(slices.Clone(r.Manifest.Layers), r.Manifest.Config)
}

// read returns a blob. That of the empty config need not be there.
func (p *Publication) read(d v1.Descriptor) ([]byte, error) {
	if d.Digest == v1.DescriptorEmptyJSON.Digest && d.Size == v1.DescriptorEmptyJSON.Size {
		return v1.DescriptorEmptyJSON.Data, nil
	}
	return p.layout.ReadAll(d)
}

// subjects returns the images to which the artifacts belong, each once.
func (p *Publication) subjects() (list []digest.Digest) {
	seen := map[digest.Digest]bool{}
	for _, r := range p.Artifacts {
		if d := r.Manifest.Subject.Digest; !seen[d] {
			seen[d] = true
			list = append(list, d)
		}
	}
	return list
}

// Push puts the artifacts into a registry, each with its blobs before its manifest, and has
// them be listed there. What is there already is left alone. It puts nothing, and the error
// wraps fs.ErrNotExist, if an image is not there.
func (p *Publication) Push(ctx context.Context, t *registry.Target) error {
	subjects := p.subjects()
	if err := t.CheckSubjects(ctx, subjects); err != nil {
		return err
	}
	for _, subject := range subjects {
		if err := p.pushOf(ctx, t, subject); err != nil {
			return err
		}
	}
	return nil
}

// pushOf puts the artifacts of one image there.
func (p *Publication) pushOf(ctx context.Context, t *registry.Target, subject digest.Digest) error {
	var unlisted []v1.Descriptor
	for _, r := range p.Artifacts {
		if r.Manifest.Subject.Digest != subject {
			continue
		}
		listed, err := p.pushOne(ctx, t, r)
		if err != nil {
			return fmt.Errorf("artifact %s: %w", r.Descriptor.Digest, err)
		}
		if !listed {
			unlisted = append(unlisted, r.Descriptor)
		}
	}
	if unlisted == nil {
		return nil
	}
	return t.List(ctx, unlisted, subject)
}

// pushOne puts one artifact there, and reports whether the registry lists it.
func (p *Publication) pushOne(ctx context.Context, t *registry.Target, r Referrer) (listed bool, err error) {
	if there, err := t.Has(ctx, r.Descriptor.Digest, r.Manifest.Subject.Digest); there || err != nil {
		return there, err
	}
	for _, d := range r.blobs() {
		content, err := p.read(d)
		if err != nil {
			return false, err
		}
		if err := t.PutBlob(ctx, d.Digest, content); err != nil {
			return false, fmt.Errorf("blob %s: %w", d.Digest, err)
		}
	}
	return t.PutArtifact(ctx, r.Descriptor, r.JSON, r.Manifest.Subject.Digest)
}
