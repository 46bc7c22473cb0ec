package layer_test

import (
	"archive/tar"
	"bytes"
	"io"
	"testing"

	"cfs/lib/layer"
	"cfs/lib/splitstream"
	"cfs/lib/verity"
)

// BenchmarkSplit splits a tar of files of 8000 bytes, naming objects only.
func BenchmarkSplit(b *testing.B) {
	var tarball bytes.Buffer
	w := tar.NewWriter(&tarball)
	content := make([]byte, 8000)
	for range 1000 {
		w.WriteHeader(&tar.Header{Name: "usr/share/some/file", Size: 8000, Mode: 0o644})
		w.Write(content)
	}
	w.Close()
	b.SetBytes(int64(tarball.Len()))
	put := func(in io.Reader, size int64) (verity.ID, error) {
		id, _, err := verity.SHA256.SumReader(in)
		return id, err
	}
	for b.Loop() {
		out, err := splitstream.NewWriter(verity.SHA256, splitstream.Layer, nil)
		if err != nil {
			b.Fatal(err)
		}
		if err := layer.Split(bytes.NewReader(tarball.Bytes()), out, put); err != nil {
			b.Fatal(err)
		}
		out.Close()
	}
}

// BenchmarkMerge merges a small layer.
func BenchmarkMerge(b *testing.B) {
	s := newStore(verity.SHA256)
	file, err := s.split(b, bytes.NewReader(archive(b, tar.FormatPAX)))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		r, err := splitstream.NewReader(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			b.Fatal(err)
		}
		g := layer.Merger{}
		if err := g.Add(r); err != nil {
			b.Fatal(err)
		}
		r.Close()
	}
}
