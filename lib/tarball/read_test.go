package tarball_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"cfs/lib/corrupt"
	"cfs/lib/tarball"
)

// TestReadErrors: wherever a tar ends too early, that is damage; but an error of reading it
// stays what it is, and says nothing of the data.
func TestReadErrors(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []tar.Header{
		{Name: "a", Typeflag: tar.TypeReg, Mode: 0o644},
		{Name: strings.Repeat("long/", 60), Typeflag: tar.TypeDir, Mode: 0o755, Format: tar.FormatGNU},
		{Name: "link", Linkname: strings.Repeat("long/", 60), Typeflag: tar.TypeSymlink, Format: tar.FormatPAX},
	} {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	const block = 512
	data, broken := b.Bytes(), errors.New("the disk is broken")
	ends := map[int]bool{0: true, block: true, 4 * block: true, 7 * block: true, 8 * block: true} // between members, and between the zero blocks
	if want := 9 * block; len(data) != want {
		t.Fatalf("the tar has %d bytes, want %d", len(data), want)
	}
	for at := 0; at < len(data); at += 37 {
		for _, n := range []int{at, at / block * block} {
			if err := readAll(io.MultiReader(bytes.NewReader(data[:n]), iotest.ErrReader(broken))); !errors.Is(err, broken) || corrupt.Is(err) {
				t.Errorf("an error after %d bytes: %v, corrupt %v", n, err, corrupt.Is(err))
			}
			err := readAll(bytes.NewReader(data[:n]))
			if ends[n] && err != nil || !ends[n] && (!corrupt.Is(err) || !errors.Is(err, io.ErrUnexpectedEOF)) {
				t.Errorf("an end after %d bytes: %v, corrupt %v", n, err, corrupt.Is(err))
			}
		}
	}
}

// readAll reads members that have no bodies.
func readAll(in io.Reader) error {
	r := tarball.Reader{In: in}
	for {
		if _, err := r.Next(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}
