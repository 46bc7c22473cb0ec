package erofs_test

import (
	"bytes"
	"io"
	"testing"

	"cfs/lib/dumpfile"
	"cfs/lib/erofs"
	"cfs/lib/tree"
	"cfs/lib/variant"
)

func write(t testing.TB, root *tree.Inode, v variant.Format) []byte {
	t.Helper()
	data, err := bytesOf(erofs.Write, root, v)
	if err != nil {
		t.Fatalf("V%d: %v", v, err)
	}
	return data
}

func bytesOf(write func(io.Writer, *tree.Inode, variant.Format) error, root *tree.Inode, v variant.Format) ([]byte, error) {
	var buf bytes.Buffer
	err := write(&buf, root, v)
	return buf.Bytes(), err
}

func readTree(t testing.TB, data []byte) *tree.Inode {
	t.Helper()
	img, err := erofs.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	root, err := img.Tree()
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func dump(t testing.TB, root *tree.Inode) string {
	t.Helper()
	var buf bytes.Buffer
	if err := dumpfile.Write(&buf, root); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}
