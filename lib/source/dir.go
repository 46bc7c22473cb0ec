package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/blob"
	"cfs/lib/corrupt"
	"cfs/lib/fd"
	"cfs/lib/manifest"
)

// dir is a directory as skopeo's dir: has it: manifest.json, and a file for each blob
// which is called as the digest without its algorithm.
type dir struct{ path string }

func openDir(where string, o Options) (Source, error) {
	abs, err := filepath.Abs(where)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(abs, dirManifest)); err != nil {
		return nil, fmt.Errorf("image directory %s: %w", where, err)
	}
	if err := o.checkPath("dir", abs); err != nil {
		return nil, err
	}
	return dir{abs}, nil
}

const dirManifest = "manifest.json"

// Manifest returns the one manifest. Of an index skopeo writes the manifests beside it,
// as HEX.manifest.json.
func (s dir) Manifest(ctx context.Context, platform *v1.Platform) (v1.Descriptor, error) {
	text, err := readFile(filepath.Join(s.path, dirManifest))
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("image directory: %w", err)
	}
	d := v1.Descriptor{MediaType: manifest.TypeOf(text), Digest: digest.FromBytes(text), Size: int64(len(text))}
	return manifest.Find([]v1.Descriptor{d}, platform, func(d v1.Descriptor) ([]byte, error) { return ReadAll(ctx, s, d) })
}

func (s dir) Path(d v1.Descriptor) (string, error) {
	if err := d.Digest.Validate(); err != nil {
		return "", corrupt.Errorf("digest %q: %w", d.Digest, err)
	}
	path := filepath.Join(s.path, d.Digest.Encoded())
	if !manifest.IsManifest(d.MediaType) {
		return path, nil
	}
	beside := path + "." + dirManifest
	_, err := os.Stat(beside)
	if errors.Is(err, fs.ErrNotExist) {
		return filepath.Join(s.path, dirManifest), nil
	}
	return beside, err
}

func (s dir) Open(_ context.Context, d v1.Descriptor, offset int64) (io.ReadCloser, error) {
	path, err := s.Path(d)
	if err != nil {
		return nil, err
	}
	return openFile(path, offset)
}

// Referrers returns none: a directory has one image.
func (dir) Referrers(context.Context, digest.Digest) ([]v1.Descriptor, error) { return nil, nil }

func (dir) Close() error { return nil }

// readFile reads a file of JSON.
func readFile(path string) ([]byte, error) {
	f, err := fd.OpenRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return blob.ReadJSON(f, path)
}
