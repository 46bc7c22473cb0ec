package erofs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/iotest"

	"cfs/lib/corrupt"
	"cfs/lib/erofs"
	"cfs/lib/tree"
	"cfs/lib/variant"
)

// TestRead: a stream is read as its bytes are opened, whatever its size is said to be, and
// wherever it ends.
func TestRead(t *testing.T) {
	data := write(t, manyFiles(), variant.V1)
	want := dump(t, readTree(t, data))
	for _, size := range []int64{0, 1, int64(len(data)), erofs.MaxSize / 1024} {
		image, err := erofs.Read(iotest.HalfReader(bytes.NewReader(data)), size)
		if err != nil {
			t.Fatalf("size %d: %v", size, err)
		}
		root, err := image.Tree()
		if err != nil || dump(t, root) != want {
			t.Errorf("size %d: another tree, %v", size, err)
		}
	}
	for _, n := range []int{0, 1, 31, 32, 1151, 1152, 1153, len(data) - 1} {
		_, opened := erofs.Open(data[:n])
		if _, err := erofs.Read(bytes.NewReader(data[:n]), int64(n)); fmt.Sprint(err) != fmt.Sprint(opened) {
			t.Errorf("%d bytes: %v, want %v", n, err, opened)
		}
	}
}

// TestReadNoImage: of what is no image, the head is read and no more.
func TestReadNoImage(t *testing.T) {
	in := &zeros{}
	if _, err := erofs.Read(in, 1<<60); !corrupt.Is(err) {
		t.Errorf("zeros: %v", err)
	}
	if in.read > 4096 {
		t.Errorf("%d bytes were read", in.read)
	}
	broken := errors.New("broken")
	data := write(t, manyFiles(), variant.V1)
	for _, n := range []int{0, 100, 1152, 2000} {
		in := io.MultiReader(bytes.NewReader(data[:n]), iotest.ErrReader(broken))
		if _, err := erofs.Read(in, 0); !errors.Is(err, broken) || corrupt.Is(err) {
			t.Errorf("broken at byte %d: %v", n, err)
		}
	}
}

// manyFiles is a tree whose image has several blocks.
func manyFiles() *tree.Inode {
	root := tree.NewDir(0o755)
	for i := range 100 {
		root.Put(fmt.Sprintf("file-%d", i), regular("its content"))
	}
	return root
}

// zeros has no end.
type zeros struct{ read int }

func (z *zeros) Read(p []byte) (int, error) {
	clear(p)
	z.read += len(p)
	return len(p), nil
}
