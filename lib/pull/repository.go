package pull

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/missing"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/source"
	"cfs/lib/verity"
)

// repository is an image in a repository as a source. Its layers have no blobs: they are splitstreams. Nothing is written
// there.
type repository struct {
	repo      *repo.Repo
	image     *oci.Image
	manifests map[digest.Digest]*oci.Manifest // the image's, and those of its referrers
}

// NewRepository returns an image of an open repository, the absolute path of which the repository has,
// as a source, which closes the repository.
func NewRepository(r *repo.Repo, image *oci.Image) source.Source {
	m := image.Manifest
	return &repository{r, image, map[digest.Digest]*oci.Manifest{m.Digest: m}}
}

// Manifest returns the image's manifest, whatever the platform: it is the only one.
func (s *repository) Manifest(context.Context, *v1.Platform) (v1.Descriptor, error) {
	return describeManifest(s.image.Manifest), nil
}

// Referrers returns the artifacts that belong to a manifest, also those that are gone.
func (s *repository) Referrers(_ context.Context, subject digest.Digest) (list []v1.Descriptor, err error) {
	found, _, err := oci.OpenReferrers(s.repo, subject)
	if err != nil {
		return nil, err
	}
	for _, m := range found {
		s.manifests[m.Digest] = m
		list = append(list, describeManifest(m))
	}
	return list, nil
}

// Open opens a document, or the blob of a layer or an artifact, which can be had only if it was not compressed.
func (s *repository) Open(_ context.Context, d v1.Descriptor, offset int64) (io.ReadCloser, error) {
	id, document, err := s.find(d.Digest)
	if err != nil {
		return nil, err
	}
	in, err := s.open(id, document)
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, in, offset); err != nil {
		return nil, errors.Join(err, in.Close())
	}
	return in, nil
}

func (s *repository) open(id verity.ID, document bool) (io.ReadCloser, error) {
	if document {
		return s.repo.Objects.Open(id)
	}
	return oci.OpenBytes(s.repo, id)
}

// find returns the object that is the document of a digest, or else the stream of the blob.
func (s *repository) find(d digest.Digest) (id verity.ID, document bool, err error) {
	if m := s.manifests[d]; m != nil {
		id, err := oci.JSONObject(s.repo, m.ID)
		return id, true, err
	}
	if d == s.image.Config.Digest {
		id, err := oci.JSONObject(s.repo, s.image.Config.ID)
		return id, true, err
	}
	for _, m := range s.manifests {
		if id := m.Streams[oci.Key(d)]; !id.IsZero() {
			return id, false, nil
		}
	}
	if id := s.image.Stream(oci.Key(d)); !id.IsZero() {
		return id, false, nil
	}
	for i, l := range s.image.Manifest.Layers {
		if key := s.image.Keys[i]; l.Digest == d && !s.image.Stream(key).IsZero() {
			return id, false, missing.Errorf("the repository stores layers uncompressed, and so has no blob of that digest; its tar is that of cfs-import --repo %q cat %s", s.repo.Path, key)
		}
	}
	return id, false, missing.Errorf("repository %s has no blob %s for this image", s.repo.Path, d)
}

// Path returns the path of the object that a document is, or that is the splitstream of a layer or blob.
func (s *repository) Path(d v1.Descriptor) (string, error) {
	id, _, err := s.find(d.Digest)
	for i, l := range s.image.Manifest.Layers {
		if stream := s.image.Stream(s.image.Keys[i]); l.Digest == d.Digest && !stream.IsZero() {
			id, err = stream, nil
		}
	}
	if err != nil {
		return "", fmt.Errorf("blob %s: %w", d.Digest, err)
	}
	return filepath.Join(s.objects(), id.ObjectPath()), nil
}

// objects returns the folder of the objects.
func (s *repository) objects() string { return filepath.Join(s.repo.Path, objectsFolder) }

// Close releases the lock of the repository.
func (s *repository) Close() error { return s.repo.Close() }

func describeManifest(m *oci.Manifest) v1.Descriptor {
	return v1.Descriptor{MediaType: manifestOf(m).MediaType, ArtifactType: m.ArtifactType, Digest: m.Digest, Size: int64(len(m.JSON))}
}
