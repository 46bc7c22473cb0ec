package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/blob"
	"cfs/lib/corrupt"
	"cfs/lib/manifest"
)

// Referrer is an artifact of signatures of an image.
type Referrer struct {
	Descriptor v1.Descriptor
	Manifest   v1.Manifest
	JSON       []byte
}

// Read returns a document of a descriptor, verified, as ReadAll does.
type Read func(context.Context, v1.Descriptor) ([]byte, error)

func reader(s Source) Read {
	return func(ctx context.Context, d v1.Descriptor) ([]byte, error) { return ReadAll(ctx, s, d) }
}

// maxReferrers is how many artifacts one image may have.
const maxReferrers = 100

// Referrers returns the artifacts of signatures that s has for the manifest subject, sorted by
// digest: registries list them in any order. What it lists of other types or for other images is not among
// them. gone are those that it lists and does not have. The error is marked as corrupt if there are
// more, or larger ones, than are read.
func Referrers(ctx context.Context, s Source, subject digest.Digest, read Read) (list []Referrer, gone []v1.Descriptor, err error) {
	candidates, err := s.Referrers(ctx, subject)
	if err != nil {
		return nil, nil, fmt.Errorf("referrers of manifest %s: %w", subject, err)
	}
	size := 0
	for _, d := range candidates {
		r, err := readReferrer(ctx, read, d)
		if err == nil && r.Manifest.Subject.Digest != subject {
			err = errOther
		}
		if err == nil {
			err = manifest.CheckSignatures(r.Manifest)
		}
		switch {
		case errors.Is(err, errOther):
			continue
		case errors.Is(err, fs.ErrNotExist) && !corrupt.Is(err):
			if d.ArtifactType == manifest.SignatureArtifact {
				gone = append(gone, d)
			}
			continue
		case err != nil:
			return nil, nil, fmt.Errorf("referrer %s: %w", d.Digest, err)
		}
		list = append(list, r)
		if size += len(r.JSON); len(list) > maxReferrers || size > blob.MaxJSON {
			return nil, nil, corrupt.Errorf("referrers of manifest %s: more than %d signature artifacts, or %d bytes of manifests", subject, maxReferrers, blob.MaxJSON)
		}
	}
	slices.SortFunc(list, func(a, b Referrer) int { return cmp.Compare(a.Descriptor.Digest, b.Descriptor.Digest) })
	return list, gone, nil
}

// errOther means that what may be an artifact of signatures of an image is none.
var errOther = errors.New("no artifact of signatures of this image")

// readReferrer reads what may be an artifact of signatures. The error is errOther if it is not.
func readReferrer(ctx context.Context, read Read, d v1.Descriptor) (Referrer, error) {
	text, err := read(ctx, d)
	if err != nil {
		return Referrer{}, err
	}
	m, err := manifest.ParseAs(d, text)
	switch {
	case err != nil && d.ArtifactType != manifest.SignatureArtifact:
		return Referrer{}, errOther
	case err != nil:
		return Referrer{}, err
	case !manifest.IsSignatures(m):
		return Referrer{}, errOther
	}
	d = v1.Descriptor{MediaType: d.MediaType, ArtifactType: manifest.SignatureArtifact, Digest: d.Digest, Size: d.Size, Annotations: m.Annotations}
	return Referrer{d, m, text}, nil
}
