package main

import (
	"archive/tar"
	"bufio"
	_ "crypto/sha256" // go-digest panics for algorithms that are not linked in
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// layout is an OCI image layout that is being written.
type layout string

// image writes the image of a shape, its layers compressed as "gzip", "zstd" or "plain".
func (l layout) image(s shape, compression string) error {
	if err := os.MkdirAll(filepath.Join(string(l), "blobs/sha256"), 0o755); err != nil {
		return err
	}
	config := v1.Image{Platform: v1.Platform{OS: "linux", Architecture: runtime.GOARCH}, RootFS: v1.RootFS{Type: "layers"}}
	m := v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest}
	for i := range s.layers {
		layer, diffID, err := l.layer(s.layer(i), compression)
		if err != nil {
			return err
		}
		m.Layers = append(m.Layers, layer)
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, diffID)
	}
	var err error
	if m.Config, err = l.json(v1.MediaTypeImageConfig, config); err != nil {
		return err
	}
	top, err := l.json(v1.MediaTypeImageManifest, m)
	if err != nil {
		return err
	}
	return l.name("latest", top)
}

// name makes a manifest the only one of the layout, with a name.
func (l layout) name(name string, top v1.Descriptor) error {
	top.Annotations = map[string]string{v1.AnnotationRefName: name}
	index := v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{top}}
	for file, value := range map[string]any{v1.ImageIndexFile: index, v1.ImageLayoutFile: v1.ImageLayout{Version: v1.ImageLayoutVersion}} {
		text, err := json.Marshal(value)
		if err == nil {
			err = os.WriteFile(filepath.Join(string(l), file), text, 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (l layout) json(mediaType string, value any) (v1.Descriptor, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return v1.Descriptor{}, err
	}
	d := digest.FromBytes(text)
	return v1.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(text))}, os.WriteFile(l.blob(d), text, 0o644)
}

func (l layout) blob(d digest.Digest) string {
	return filepath.Join(string(l), "blobs/sha256", d.Encoded())
}

// layer writes the tar of some files, and returns the descriptor of the blob and the
// digest of the tar.
func (l layout) layer(files []file, compression string) (d v1.Descriptor, diffID digest.Digest, err error) {
	name := filepath.Join(string(l), "blobs/layer")
	f, err := os.Create(name)
	if err != nil {
		return d, "", err
	}
	defer f.Close()
	blob, diff := digest.SHA256.Digester(), digest.SHA256.Digester()
	out := bufio.NewWriterSize(io.MultiWriter(f, blob.Hash()), 1<<20)
	z, mediaType, err := compressor(out, compression)
	if err != nil {
		return d, "", err
	}
	if err := errors.Join(writeTar(io.MultiWriter(z, diff.Hash()), files), z.Close(), out.Flush()); err != nil {
		return d, "", err
	}
	info, err := f.Stat()
	if err != nil {
		return d, "", err
	}
	d = v1.Descriptor{MediaType: mediaType, Digest: blob.Digest(), Size: info.Size()}
	return d, diff.Digest(), os.Rename(name, l.blob(d.Digest))
}

// plain is a compressor that does nothing.
type plain struct{ io.Writer }

func (plain) Close() error { return nil }

// compressor compresses as most images are: gzip -6, zstd -3.
func compressor(w io.Writer, compression string) (io.WriteCloser, string, error) {
	switch compression {
	case "gzip":
		z, err := gzip.NewWriterLevel(w, 6)
		return z, v1.MediaTypeImageLayerGzip, err
	case "zstd":
		z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
		return z, v1.MediaTypeImageLayerZstd, err
	}
	return plain{w}, v1.MediaTypeImageLayer, nil
}

// writeTar writes a tar of some files and the folders that they are in.
func writeTar(w io.Writer, files []file) error {
	t := tar.NewWriter(w)
	day := time.Unix(1_700_000_000, 0)
	seen := map[string]bool{".": true}
	var folders func(dir string) error
	folders = func(dir string) error {
		if seen[dir] {
			return nil
		}
		seen[dir] = true
		if err := folders(filepath.Dir(dir)); err != nil {
			return err
		}
		return t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755, ModTime: day})
	}
	for _, f := range files {
		if err := folders(filepath.Dir(f.path)); err != nil {
			return err
		}
		if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.path, Size: int64(f.size), Mode: 0o644, ModTime: day}); err != nil {
			return err
		}
		if err := f.write(t); err != nil {
			return err
		}
	}
	return t.Close()
}

// writeTree writes the files of an image into a folder.
func writeTree(dir string, s shape) error {
	for i := range s.layers {
		for _, f := range s.layer(i) {
			name := filepath.Join(dir, f.path)
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				return err
			}
			out, err := os.Create(name)
			if err != nil {
				return err
			}
			if err := errors.Join(f.write(out), out.Close()); err != nil {
				return err
			}
		}
	}
	return nil
}
