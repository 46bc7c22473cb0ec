package cmd

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// tarball is the tar of a layer that is being made.
type tarball struct {
	t   testing.TB
	buf bytes.Buffer
	out *tar.Writer
	now int64 // the time of the next member
}

func newTarball(t testing.TB) *tarball {
	b := &tarball{t: t, now: 1_600_000_000}
	b.out = tar.NewWriter(&b.buf)
	return b
}

// add adds a member. What h does not say is chosen.
func (b *tarball) add(h tar.Header, content string) {
	b.t.Helper()
	if h.Mode == 0 {
		h.Mode = 0o644
		if h.Typeflag == tar.TypeDir {
			h.Mode = 0o755
		}
	}
	if h.Typeflag == 0 {
		h.Typeflag = tar.TypeReg
	}
	h.Size, h.ModTime = int64(len(content)), time.Unix(b.now, b.now%1000*1001)
	h.Format = tar.FormatPAX
	b.now++
	if err := b.out.WriteHeader(&h); err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.out.Write([]byte(content)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *tarball) dir(name string)           { b.add(tar.Header{Name: name + "/", Typeflag: tar.TypeDir}, "") }
func (b *tarball) file(name, content string) { b.add(tar.Header{Name: name}, content) }

// link adds a hard link.
func (b *tarball) link(name, to string) {
	b.add(tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: to}, "")
}

func (b *tarball) bytes() []byte {
	b.t.Helper()
	if err := b.out.Close(); err != nil {
		b.t.Fatal(err)
	}
	return b.buf.Bytes()
}

// layout is a folder in the OCI image layout that is being made.
type layout struct {
	t   testing.TB
	dir string
}

// makeLayout writes a layout with one container image of layers, which are
// compressed by gzip, by zstd and not at all, in turns.
func makeLayout(t testing.TB, dir string, layers ...[]byte) {
	t.Helper()
	l := layout{t, dir}
	config := v1.Image{Platform: v1.Platform{Architecture: runtime.GOARCH, OS: "linux"}, RootFS: v1.RootFS{Type: "layers"}}
	m := v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest}
	for i, data := range layers {
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, digest.FromBytes(data))
		mediaType := v1.MediaTypeImageLayer
		switch i % 3 {
		case 0:
			mediaType, data = v1.MediaTypeImageLayerGzip, gzipped(t, data)
		case 1:
			mediaType, data = v1.MediaTypeImageLayerZstd, zstded(t, data)
		}
		m.Layers = append(m.Layers, l.blob(mediaType, data))
	}
	m.Config = l.blob(v1.MediaTypeImageConfig, l.json(config))
	l.finish(l.blob(v1.MediaTypeImageManifest, l.json(m)))
}

// makeArtifact writes a layout with one artifact of one blob.
func makeArtifact(t testing.TB, dir, content string) {
	t.Helper()
	l := layout{t, dir}
	m := v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, ArtifactType: "application/x-test"}
	m.Config = l.blob(v1.MediaTypeEmptyJSON, []byte("{}"))
	m.Layers = []v1.Descriptor{l.blob("application/octet-stream", []byte(content))}
	l.finish(l.blob(v1.MediaTypeImageManifest, l.json(m)))
}

func (l layout) json(v any) []byte {
	l.t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		l.t.Fatal(err)
	}
	return text
}

func (l layout) blob(mediaType string, data []byte) v1.Descriptor {
	l.t.Helper()
	d := digest.FromBytes(data)
	l.write("blobs/sha256/"+d.Encoded(), data)
	return v1.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(data))}
}

func (l layout) finish(manifest v1.Descriptor) {
	l.t.Helper()
	l.write(v1.ImageIndexFile, l.json(v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, Manifests: []v1.Descriptor{manifest}}))
	l.write(v1.ImageLayoutFile, l.json(v1.ImageLayout{Version: v1.ImageLayoutVersion}))
}

func (l layout) write(name string, data []byte) {
	l.t.Helper()
	name = filepath.Join(l.dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		l.t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		l.t.Fatal(err)
	}
}

func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstded(t testing.TB, data []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(data, nil)
}

// content returns n bytes of text that a seed gives.
func content(seed uint64, n int) string {
	r := rand.New(rand.NewPCG(seed, 1))
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, "%x\n", r.Uint64())
	}
	return b.String()[:n]
}

// manyFiles returns five layers of together some 600 files, which remove, replace
// and link what is in those below.
func manyFiles(t testing.TB) [][]byte {
	t.Helper()
	var layers [][]byte
	for i := range 5 {
		b := newTarball(t)
		b.dir("usr")
		b.dir("usr/share")
		dir := fmt.Sprintf("usr/share/%d", i)
		b.dir(dir)
		for j := range 120 {
			sizes := []int{0, 64, 65, 1000, 5000, 4096, 30000}
			b.file(fmt.Sprintf("%s/f%d", dir, j), content(uint64(i*1000+j), sizes[j%len(sizes)]))
		}
		b.file(dir+"/large", content(uint64(i), 400_000))
		b.link(dir+"/hard link", dir+"/f3")
		b.add(tar.Header{Name: dir + "/symbolic link", Typeflag: tar.TypeSymlink, Linkname: "f4"}, "")
		b.file("usr/same", content(7, 2000))
		b.file("usr/other", content(uint64(i), 2000))
		if i > 0 {
			below := fmt.Sprintf("usr/share/%d", i-1)
			b.file(below+"/.wh.f5", "")
			b.link(dir+"/of below", below+"/f6")
		}
		layers = append(layers, b.bytes())
	}
	return layers
}
