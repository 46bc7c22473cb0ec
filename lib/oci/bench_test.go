package oci

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/blob"
	"cfs/lib/flock"
	"cfs/lib/repo"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// rootfs makes a compressed layer of count files of 8000 bytes each.
func rootfs(b *testing.B, count int) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "usr/", Mode: 0o755})
	content := make([]byte, 8000)
	for i := range count {
		copy(content, fmt.Sprintf("file %d", i))
		w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprintf("usr/file-%d", i), Mode: 0o644, Size: int64(len(content))})
		w.Write(content)
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	z.Close()
	return out.Bytes()
}

func benchRepo(b *testing.B) *repo.Repo {
	path := b.TempDir() + "/repo"
	if err := repo.Init(path, repo.New{Algorithm: verity.SHA256, Formats: []variant.Format{variant.V1}, Insecure: true}); err != nil {
		b.Fatal(err)
	}
	r, err := repo.Open(path, flock.Lock{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { r.Close() })
	return r
}

const benchFiles = 2000

// BenchmarkImport is cfs-import on a layer: new is into an empty repository, again
// is into one that has all objects.
func BenchmarkImport(b *testing.B) {
	data := rootfs(b, benchFiles)
	importInto := func(r *repo.Repo) Imported {
		done, err := ImportLayer(b.Context(), r, bytes.NewReader(data), blob.Gzip, Source{Size: -1})
		if err != nil {
			b.Fatal(err)
		}
		return done
	}
	b.Run("new", func(b *testing.B) {
		b.SetBytes(benchFiles * 8000)
		for b.Loop() {
			b.StopTimer()
			r := benchRepo(b)
			b.StartTimer()
			importInto(r)
		}
	})
	b.Run("again", func(b *testing.B) {
		r := benchRepo(b)
		importInto(r)
		b.SetBytes(benchFiles * 8000)
		for b.Loop() {
			importInto(r)
		}
	})
}

// BenchmarkImage is cfs-mkerofs on one layer, and BenchmarkLink is cfs-link.
func BenchmarkImage(b *testing.B) {
	r := benchRepo(b)
	l := benchLink(b, r)
	for b.Loop() {
		root, err := l.Tree(r, variant.AllowlistOnly, nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := StoreImage(r, root, 1); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchFiles, "ns/file")
}

func BenchmarkLink(b *testing.B) {
	r := benchRepo(b)
	l := benchLink(b, r)
	root, err := l.Tree(r, variant.AllowlistOnly, nil)
	if err != nil {
		b.Fatal(err)
	}
	id, err := StoreImage(r, root, 1)
	if err != nil {
		b.Fatal(err)
	}
	l.Images[variant.Variant{Format: variant.V1}] = id
	for b.Loop() {
		if _, err := l.Write(r); err != nil {
			b.Fatal(err)
		}
	}
}

// benchLink stores a layer and returns an image of it.
func benchLink(b *testing.B, r *repo.Repo) *Link {
	data := rootfs(b, benchFiles)
	done, err := ImportLayer(b.Context(), r, bytes.NewReader(data), blob.Gzip, Source{Size: -1})
	if err != nil {
		b.Fatal(err)
	}
	if err := r.Link(repo.Streams, LayerName(Key(done.DiffID)), done.Stream); err != nil {
		b.Fatal(err)
	}
	config, err := json.Marshal(v1.Image{RootFS: v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{done.DiffID}}})
	if err != nil {
		b.Fatal(err)
	}
	manifest, err := json.Marshal(v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		Config:    v1.Descriptor{MediaType: v1.MediaTypeImageConfig, Digest: digest.FromBytes(config), Size: int64(len(config))},
		Layers:    []v1.Descriptor{{MediaType: v1.MediaTypeImageLayerGzip, Digest: done.Digest, Size: done.Size}},
	})
	if err != nil {
		b.Fatal(err)
	}
	l, err := NewLink(digest.FromBytes(manifest), manifest, config)
	if err != nil {
		b.Fatal(err)
	}
	l.Streams[Key(done.DiffID)] = done.Stream
	return l
}
