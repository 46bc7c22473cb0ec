package source

import (
	"context"
	"fmt"
	"io"
	"os"
	"path"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
	"cfs/lib/manifest"
)

// ociArchive is an OCI image layout in a tar.
type ociArchive struct {
	*tarFile
	ref     string
	options Options
}

func openOCIArchive(where string, o Options) (Source, error) {
	file, ref, err := splitRef(where, isFile)
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	if err := o.checkPath("oci-archive", file); err != nil {
		return nil, err
	}
	t, err := openTar(file, o.TempDir)
	if err != nil {
		return nil, err
	}
	return ociArchive{t, ref, o}, nil
}

func isFile(path string) error {
	_, err := os.Stat(path)
	return err
}

func (s ociArchive) Manifest(ctx context.Context, platform *v1.Platform) (v1.Descriptor, error) {
	text, err := s.readJSON(v1.ImageIndexFile)
	if err != nil {
		return v1.Descriptor{}, s.insteadOf(err, dirManifest, "docker-archive")
	}
	named, err := manifest.FindNamed(text, s.ref)
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("archive %s: %w", s.name, err)
	}
	s.options.tellSeveral(s.ref, named)
	return manifest.Find(named, platform, func(d v1.Descriptor) ([]byte, error) { return ReadAll(ctx, s, d) })
}

func (s ociArchive) Referrers(ctx context.Context, subject digest.Digest) ([]v1.Descriptor, error) {
	text, err := s.readJSON(v1.ImageIndexFile)
	if err != nil {
		return nil, err
	}
	list, err := manifest.FindReferrers(text, subject, func(d v1.Descriptor) ([]byte, error) { return ReadAll(ctx, s, d) })
	if err != nil {
		return nil, fmt.Errorf("archive %s: %w", s.name, err)
	}
	return list, nil
}

func (s ociArchive) Open(_ context.Context, d v1.Descriptor, offset int64) (io.ReadCloser, error) {
	if err := d.Digest.Validate(); err != nil {
		return nil, corrupt.Errorf("digest %q: %w", d.Digest, err)
	}
	in, err := s.open(path.Join(v1.ImageBlobsDir, d.Digest.Algorithm().String(), d.Digest.Encoded()), offset)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(in), nil
}

func (ociArchive) Path(v1.Descriptor) (string, error) { return "", nil }
