// Mkimage writes the image that `make demo` pulls: an OCI image layout with one
// image, "latest", for two platforms that share their two layers. It has one of
// each thing that a pull treats in its own way.
//
//	go run ./testdata/mkimage DIR
//
// DIR must not exist. The same versions of Go and of the zstd library give the same
// bytes: nothing depends on the clock or the machine.
package main

import (
	"bytes"
	"compress/gzip"
	_ "crypto/sha256" // go-digest panics for algorithms that are not linked in
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// epoch is the time of everything in the image.
var epoch = time.Unix(1700000000, 0).UTC()

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: mkimage DIR")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "mkimage:", err)
		os.Exit(1)
	}
}

// layout is an OCI image layout on disk.
type layout struct{ dir string }

// layer is a layer that was stored.
type layer struct {
	v1.Descriptor
	diffID digest.Digest
}

func write(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o755); err != nil {
		return err
	}
	l := layout{dir}
	var layers []layer
	for _, add := range []struct {
		mediaType string
		members   []member
		compress  func(io.Writer) (io.WriteCloser, error)
	}{
		{v1.MediaTypeImageLayerGzip, base, gzipWriter},
		{v1.MediaTypeImageLayerZstd, update, zstdWriter},
	} {
		one, err := l.addLayer(add.mediaType, add.members, add.compress)
		if err != nil {
			return err
		}
		layers = append(layers, one)
	}
	index := v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex}
	for _, arch := range []string{"amd64", "arm64"} {
		manifest, err := l.addImage(arch, layers)
		if err != nil {
			return err
		}
		index.Manifests = append(index.Manifests, manifest)
	}
	return l.finish(index)
}

func gzipWriter(w io.Writer) (io.WriteCloser, error) {
	return gzip.NewWriterLevel(w, gzip.BestCompression)
}

func zstdWriter(w io.Writer) (io.WriteCloser, error) {
	return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
}

// addLayer stores a tar, compressed.
func (l layout) addLayer(mediaType string, members []member, compress func(io.Writer) (io.WriteCloser, error)) (layer, error) {
	tar, err := archive(members)
	if err != nil {
		return layer{}, err
	}
	var packed bytes.Buffer
	z, err := compress(&packed)
	if err != nil {
		return layer{}, err
	}
	if _, err := z.Write(tar); err != nil {
		return layer{}, err
	}
	if err := z.Close(); err != nil {
		return layer{}, err
	}
	d, err := l.addBlob(mediaType, packed.Bytes())
	return layer{d, digest.FromBytes(tar)}, err
}

// addImage stores the config and the manifest for one architecture.
func (l layout) addImage(arch string, layers []layer) (v1.Descriptor, error) {
	image := v1.Image{
		Created:  &epoch,
		Platform: v1.Platform{Architecture: arch, OS: "linux"},
		Config:   v1.ImageConfig{Cmd: []string{"/usr/bin/hello"}},
		RootFS:   v1.RootFS{Type: "layers"},
	}
	manifest := v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest}
	for _, one := range layers {
		image.RootFS.DiffIDs = append(image.RootFS.DiffIDs, one.diffID)
		manifest.Layers = append(manifest.Layers, one.Descriptor)
	}
	var err error
	if manifest.Config, err = l.addJSON(v1.MediaTypeImageConfig, image); err != nil {
		return v1.Descriptor{}, err
	}
	d, err := l.addJSON(v1.MediaTypeImageManifest, manifest)
	d.Platform = &image.Platform
	d.Annotations = map[string]string{v1.AnnotationRefName: "latest"}
	return d, err
}

// finish writes the files at the top.
func (l layout) finish(index v1.Index) error {
	for name, content := range map[string]any{v1.ImageIndexFile: index, v1.ImageLayoutFile: v1.ImageLayout{Version: v1.ImageLayoutVersion}} {
		text, err := json.Marshal(content)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(l.dir, name), append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (l layout) addJSON(mediaType string, content any) (v1.Descriptor, error) {
	text, err := json.Marshal(content)
	if err != nil {
		return v1.Descriptor{}, err
	}
	return l.addBlob(mediaType, text)
}

func (l layout) addBlob(mediaType string, data []byte) (v1.Descriptor, error) {
	d := v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	return d, os.WriteFile(filepath.Join(l.dir, "blobs", "sha256", d.Digest.Encoded()), data, 0o644)
}
