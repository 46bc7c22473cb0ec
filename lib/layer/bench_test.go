package layer_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"cfs/lib/internal/cputime"
	"cfs/lib/layer"
	"cfs/lib/splitstream"
	"cfs/lib/verity"
)

// BenchmarkSplit splits tars of files of one size each, naming objects only: one after the
// other, and in batches.
func BenchmarkSplit(b *testing.B) {
	each := layer.Each(func(in io.Reader, size int64) (verity.ID, error) {
		id, _, err := verity.SHA512.SumReader(in)
		return id, err
	})
	batches := layer.Store{
		Small: func(contents [][]byte) ([]verity.ID, error) { return verity.SHA512.SumAll(contents), nil },
		Large: each.Large,
	}
	for _, size := range []int{500, 3000, 8000, 40_000, 20_000_000} {
		data := bench(b, size)
		for name, store := range map[string]layer.Store{"each": each, "batches": batches} {
			b.Run(fmt.Sprintf("%d/%s", size, name), func(b *testing.B) {
				defer cputime.Start(b, int64(len(data)))()
				for b.Loop() {
					out, err := splitstream.NewWriter(verity.SHA512, splitstream.Layer, nil)
					if err != nil {
						b.Fatal(err)
					}
					if err := layer.Split(bytes.NewReader(data), out, store); err != nil {
						b.Fatal(err)
					}
					out.Close()
				}
			})
		}
	}
}

// bench returns a tar of files of a size, about 20 MB in all.
func bench(b *testing.B, size int) []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	content := make([]byte, size)
	random := rand.NewChaCha8([32]byte{})
	for out.Len() < 20_000_000 {
		random.Read(content)
		w.WriteHeader(&tar.Header{Name: "usr/share/some/file", Size: int64(size), Mode: 0o644})
		w.Write(content)
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	return out.Bytes()
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
