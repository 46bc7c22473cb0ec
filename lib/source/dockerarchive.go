package source

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/blob"
	"cfs/lib/corrupt"
	"cfs/lib/manifest"
)

// dockerArchive is what docker save writes: manifest.json names the config and the
// layers of each image. It has no manifest that could be pulled, so one is made.
type dockerArchive struct {
	*tarFile
	ref   string
	files map[digest.Digest]string // where config and layers are
	text  []byte                   // the manifest
}

func openDockerArchive(where string, o Options) (Source, error) {
	file, ref, err := splitRef(where, isFile)
	// REF is NAME:TAG, which has a colon of its own.
	if first, rest, ok := strings.Cut(where, ":"); ok && isFile(first) == nil {
		file, ref, err = first, rest, nil
	}
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	if err := o.Policy.Check("docker-archive", nil); err != nil {
		return nil, err
	}
	t, err := openTar(file, o.TempDir)
	if err != nil {
		return nil, err
	}
	return &dockerArchive{tarFile: t, ref: ref, files: make(map[digest.Digest]string)}, nil
}

// Manifest makes a manifest of the config and the layers, as they are.
func (s *dockerArchive) Manifest(ctx context.Context, platform *v1.Platform) (v1.Descriptor, error) {
	image, err := s.choose()
	if err != nil {
		return v1.Descriptor{}, err
	}
	m := v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, Layers: []v1.Descriptor{}}
	config, err := s.readJSON(image.Config)
	if err != nil {
		return v1.Descriptor{}, err
	}
	m.Config = v1.Descriptor{MediaType: v1.MediaTypeImageConfig, Digest: digest.FromBytes(config), Size: int64(len(config))}
	s.files[m.Config.Digest] = image.Config
	parsed, err := manifest.ParseConfig(config)
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("archive %s: %w", s.name, err)
	}
	diffIDs := parsed.DiffIDs
	if len(diffIDs) != len(image.Layers) {
		return v1.Descriptor{}, corrupt.Errorf("archive %s: %d layers, but the config has %d diff IDs", s.name, len(image.Layers), len(diffIDs))
	}
	for i, name := range image.Layers {
		d, err := s.layer(name, diffIDs[i])
		if err != nil {
			return v1.Descriptor{}, err
		}
		s.files[d.Digest] = name
		m.Layers = append(m.Layers, d)
	}
	if s.text, err = json.Marshal(m); err != nil {
		return v1.Descriptor{}, err
	}
	d := v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: digest.FromBytes(s.text), Size: int64(len(s.text))}
	return manifest.Find([]v1.Descriptor{d}, platform, func(d v1.Descriptor) ([]byte, error) { return ReadAll(ctx, s, d) })
}

// choose finds the image that is asked for: by its tag, by its place as "@N", or the
// only one.
func (s *dockerArchive) choose() (manifest.Saved, error) {
	text, err := s.readJSON(dirManifest)
	if err != nil {
		return manifest.Saved{}, s.insteadOf(err, v1.ImageIndexFile, "oci-archive")
	}
	list, err := manifest.ParseSaved(text)
	if err != nil {
		return manifest.Saved{}, fmt.Errorf("archive %s: %w", s.name, err)
	}
	image, err := choose(list, s.ref)
	if err != nil {
		return image, fmt.Errorf("archive %s: %w", s.name, err)
	}
	return image, nil
}

// layer describes a layer. It is a plain tar, whose digest is its diff ID; others that
// are compressed have to be read to know theirs.
func (s *dockerArchive) layer(name string, diffID digest.Digest) (v1.Descriptor, error) {
	m, err := s.find(name)
	if err != nil {
		return v1.Descriptor{}, err
	}
	d := v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: diffID, Size: m.size}
	in := io.NewSectionReader(s.file, m.offset, m.size)
	compression, _, err := blob.Sniff(in)
	if err != nil || compression == blob.None {
		return d, err
	}
	d.MediaType += "+" + string(compression)
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return d, err
	}
	d.Digest, err = digest.FromReader(in)
	return d, err
}

func (s *dockerArchive) Open(_ context.Context, d v1.Descriptor, offset int64) (io.ReadCloser, error) {
	if d.Digest == digest.FromBytes(s.text) {
		return io.NopCloser(bytes.NewReader(s.text[min(offset, int64(len(s.text))):])), nil
	}
	name, ok := s.files[d.Digest]
	if !ok {
		return nil, fs.ErrNotExist
	}
	in, err := s.open(name, offset)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(in), nil
}

// Referrers returns none: its manifest is made here, and nobody can refer to it.
func (*dockerArchive) Referrers(context.Context, digest.Digest) ([]v1.Descriptor, error) {
	return nil, nil
}

func (*dockerArchive) Path(v1.Descriptor) (string, error) { return "", nil }
