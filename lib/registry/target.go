package registry

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker/reference"

	"cfs/lib/manifest"
	"cfs/lib/missing"
)

// Target is where artifacts are put beside an image: in the registry itself, as mirrors are
// for reading.
type Target struct {
	*Remote
	*endpoint
	named bool // the name has a tag or a digest
}

// OpenTarget finds out where the image HOST/NAME[:TAG|@DIGEST] is. The error wraps ErrName if
// that is no such name, or could be in several registries.
func OpenTarget(name string, o Options) (*Target, error) {
	sys, err := o.systemContext()
	if err != nil {
		return nil, err
	}
	refs, err := candidates(sys, name)
	if err != nil {
		return nil, err
	}
	if len(refs) > 1 {
		return nil, fmt.Errorf("%w: %q could be in several registries: add the host of the registry", ErrName, name)
	}
	sources, err := sourcesOf(sys, refs[0])
	if err != nil {
		return nil, err
	}
	last := sources[len(sources)-1]
	e, err := newEndpoint(sys, place{last, reference.Domain(last.Reference) == reference.Domain(refs[0])}, o)
	if err != nil {
		return nil, err
	}
	e.writes = true
	full, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %q: %w", ErrName, name, err)
	}
	r := &Remote{options: o, endpoints: []*endpoint{e}, opened: make(map[digest.Digest]int)}
	return &Target{r, e, !reference.IsNameOnly(full)}, nil
}

// String names the target in messages.
func (t *Target) String() string { return t.endpoint.String() }

// CheckSubjects returns an error that wraps fs.ErrNotExist if a manifest of subjects is not
// there, or if none of them is the image that the target's tag or digest names, or in the index
// that it names.
func (t *Target) CheckSubjects(ctx context.Context, subjects []digest.Digest) error {
	for _, d := range subjects {
		there, err := t.has(ctx, "manifests", d)
		if err != nil {
			return fmt.Errorf("manifest %s: %w", d, err)
		}
		if !there {
			return missing.Errorf("%s has no manifest %s, to which artifacts of the layout refer: push the image first", t, d)
		}
	}
	if !t.named {
		return nil
	}
	top, err := t.Manifest(ctx)
	if err != nil {
		return err
	}
	images := []v1.Descriptor{top}
	if index, err := manifest.ParseIndex(t.text, top.MediaType); err == nil {
		images = append(images, index.Manifests...)
	}
	if !slices.ContainsFunc(images, func(d v1.Descriptor) bool { return slices.Contains(subjects, d.Digest) }) {
		return missing.Errorf("%s is %s, to which no artifact of the layout refers", t, top.Digest)
	}
	return nil
}

// has reports whether the registry has a manifest or a blob.
func (t *Target) has(ctx context.Context, kind string, d digest.Digest) (there bool, err error) {
	err = again(ctx, t.options.budget(), func() error {
		resp, err := t.do(ctx, http.MethodHead, t.path(kind, d.String()), nil, nil)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if there = resp.StatusCode == http.StatusOK; there || resp.StatusCode == http.StatusNotFound {
			return nil
		}
		return t.failed(resp)
	})
	return there, err
}

// Has reports whether an artifact is there, with its blobs, and in the list of what refers to
// its subject.
func (t *Target) Has(ctx context.Context, artifact, subject digest.Digest) (bool, error) {
	list, err := t.Referrers(ctx, subject)
	if err != nil || !slices.ContainsFunc(list, func(d v1.Descriptor) bool { return d.Digest == artifact }) {
		return false, err
	}
	return t.has(ctx, "manifests", artifact)
}
