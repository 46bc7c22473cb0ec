package splitstream

import (
	"bytes"
	"io"
	"testing"

	"cfs/lib/corrupt"
	"cfs/lib/verity"
)

// counting counts the bytes that are read.
type counting struct {
	io.ReaderAt
	n int
}

func (c *counting) ReadAt(p []byte, offset int64) (int, error) {
	c.n += len(p)
	return c.ReaderAt.ReadAt(p, offset)
}

// TestInfo: the head tells what a splitstream is, without a look at its tables.
func TestInfo(t *testing.T) {
	w := newWriter(t, verity.SHA512, Layer)
	for i := range 1000 {
		w.WriteObject(verity.SHA512.Sum([]byte{byte(i), byte(i >> 8)}), 2)
	}
	var file bytes.Buffer
	if err := w.Finish(&file); err != nil {
		t.Fatal(err)
	}
	in := &counting{ReaderAt: bytes.NewReader(file.Bytes())}
	info, err := ReadInfo(in, int64(file.Len()))
	if err != nil || info.Algorithm != verity.SHA512 || info.ContentType != Layer || info.Size != 2000 || info.OldHeader {
		t.Errorf("got %+v, %v", info, err)
	}
	if in.n != headerSize+infoSize {
		t.Errorf("%d bytes were read, want %d", in.n, headerSize+infoSize)
	}
	// A section that is not in the file is damage all the same.
	if _, err := ReadInfo(in, int64(file.Len()-1)); !corrupt.Is(err) {
		t.Errorf("cut: %v", err)
	}
	if _, err := ReadInfo(in, MaxSize+1); !corrupt.Is(err) {
		t.Errorf("too large: %v", err)
	}
}
