package layer_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"

	"cfs/lib/layer"
	"cfs/lib/splitstream"
	"cfs/lib/tree"
	"cfs/lib/verity"
)

// Two layers become the tree of a container: the first one as a tar is split, the files
// that are larger than tree.InlineMax going to a function that stores them; the second
// one removes a file.
func Example() {
	put := func(content io.Reader, size int64) (verity.ID, error) { // of a repository: r.Objects.Put
		id, _, err := verity.SHA256.SumReader(content)
		return id, err
	}
	var g layer.Merger
	for _, members := range [][]tar.Header{
		{
			{Typeflag: tar.TypeDir, Name: "usr/", Mode: 0o755},
			{Name: "usr/large", Mode: 0o644, Size: 100},
			{Name: "usr/small", Mode: 0o644, Size: 5},
		},
		{{Name: "usr/.wh.small"}},
	} {
		w, err := splitstream.NewWriter(verity.SHA256, splitstream.Layer, nil)
		if err != nil {
			panic(err)
		}
		defer w.Close()
		if err := layer.Split(tarOf(members), w, layer.Each(put)); err != nil {
			panic(err)
		}
		var file bytes.Buffer
		if err := w.Finish(&file); err != nil {
			panic(err)
		}
		s, err := splitstream.NewReader(bytes.NewReader(file.Bytes()), int64(file.Len()))
		if err != nil {
			panic(err)
		}
		defer s.Close()
		if err := g.Add(s); err != nil {
			panic(err)
		}
	}
	root, err := g.Tree()
	if err != nil {
		panic(err)
	}
	for path, n := range tree.Walk(root) {
		fmt.Println(path, n.Size, !n.Object.IsZero())
	}
	// Output:
	// / 0 false
	// /usr 0 false
	// /usr/large 100 true
}

func tarOf(members []tar.Header) io.Reader {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range members {
		w.WriteHeader(&h)
		w.Write(make([]byte, h.Size))
	}
	w.Close()
	return &out
}
