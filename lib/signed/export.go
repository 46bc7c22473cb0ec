package signed

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/manifest"
	"cfs/lib/missing"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/signature"
	"cfs/lib/spool"
)

// Export writes the signature artifacts of a manifest into the layout at dir, which must lead to
// that manifest: else, and if there are none, the error wraps fs.ErrNotExist. What the layout has stays as it
// is. It returns the artifacts.
func Export(r *repo.Repo, subject digest.Digest, dir string) ([]*oci.Manifest, error) {
	if _, err := manifest.OpenLayout(dir); err != nil {
		return nil, err
	}
	s, err := spool.Open(context.Background(), dir)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	switch leads, err := s.Leads(subject); {
	case err != nil:
		return nil, err
	case !leads:
		return nil, missing.Errorf("layout %s has no manifest %s", dir, subject)
	}
	artifacts, err := signatureArtifacts(r, subject)
	if err != nil {
		return nil, err
	}
	var list []v1.Descriptor
	for _, m := range artifacts {
		if err := exportBlobs(s, r, m); err != nil {
			return nil, fmt.Errorf("artifact %s: %w", m.Digest, err)
		}
		list = append(list, v1.Descriptor{MediaType: m.MediaType, Digest: m.Digest, Size: int64(len(m.JSON)), ArtifactType: m.ArtifactType})
	}
	return artifacts, s.List(context.Background(), list)
}

// signatureArtifacts opens the artifacts of signatures that belong to a manifest.
func signatureArtifacts(r *repo.Repo, subject digest.Digest) (list []*oci.Manifest, err error) {
	stored, _, err := oci.OpenReferrers(r, subject)
	if err != nil {
		return nil, err
	}
	for _, m := range stored {
		if manifest.IsSignatures(m.Manifest) && m.Subject.Digest == subject {
			list = append(list, m)
		}
	}
	if list == nil {
		return nil, missing.Errorf("manifest %s has no signature artifacts", subject)
	}
	return list, nil
}

// exportBlobs writes what an artifact consists of into a layout.
func exportBlobs(s *spool.Spool, r *repo.Repo, m *oci.Manifest) error {
	blobs := map[digest.Digest][]byte{m.Digest: m.JSON, m.Manifest.Config.Digest: v1.DescriptorEmptyJSON.Data}
	for _, l := range m.Layers {
		blob, err := oci.ReadBlob(r, m.Streams, l.Digest, signature.MaxSize)
		if err != nil {
			return err
		}
		blobs[l.Digest] = blob
	}
	for d, blob := range blobs {
		open := func(_ context.Context, _ v1.Descriptor, offset int64) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(blob[offset:])), nil
		}
		if _, err := s.Fetch(context.Background(), v1.Descriptor{Digest: d, Size: int64(len(blob))}, open, nil); err != nil {
			return err
		}
	}
	return nil
}
