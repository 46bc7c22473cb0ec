package lib

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"cfs/lib/blob"
	"cfs/lib/corrupt"
	"cfs/lib/flock"
	"cfs/lib/layer"
	"cfs/lib/repo"
	images "cfs/lib/source"
	"cfs/lib/splitstream"
	"cfs/lib/tarball"
	"cfs/lib/variant"
	"cfs/lib/verity"
	"cfs/testdata/rawtar"
)

// wantRefused checks that an error is about damage, and says a certain thing.
func wantRefused(t *testing.T, what string, err error, says string) {
	t.Helper()
	if !corrupt.Is(err) || !strings.Contains(err.Error(), says) {
		t.Errorf("%s: got %v, want %q", what, err, says)
	}
}

// zeros is a file of any size.
type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) {
	clear(p)
	return len(p), nil
}

// TestLimits goes beyond the limits of SECURITY.md that belong to no single package.
func TestLimits(t *testing.T) {
	text := bytes.Repeat([]byte(" "), blob.MaxJSON+1)
	_, err := blob.ReadJSON(bytes.NewReader(text), "x")
	wantRefused(t, "a document", err, "larger than 4194304 bytes")
	_, err = blob.ReadAll(bytes.NewReader(text), digest.FromBytes(text), int64(len(text)))
	wantRefused(t, "a blob", err, "larger than 4194304")
	if _, err := blob.ReadAll(bytes.NewReader(text[1:]), digest.FromBytes(text[1:]), -1); err != nil {
		t.Errorf("a blob of 4 MiB: %v", err)
	}
	_, err = splitstream.NewReader(zeros{}, 1<<32+1)
	wantRefused(t, "a splitstream", err, "")

	_, err = (&tarball.Reader{In: bytes.NewReader(rawtar.Tar(rawtar.LongName(strings.Repeat("x", 1<<20+1))))}).Next()
	wantRefused(t, "extension headers", err, "1048576")

	path := t.TempDir() + "/repo"
	if err := repo.Init(path, repo.New{Algorithm: verity.SHA256, Formats: []variant.Format{variant.V1}, Insecure: true}); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(path+"/meta.json", text, 0o644)
	_, err = repo.Open(path, flock.Lock{})
	wantRefused(t, "meta.json", err, "larger than 1048576 bytes")
}

// TestManyLinks: no more than 40 symbolic links are followed on the way to a directory.
func TestManyLinks(t *testing.T) {
	for links, ok := range map[int]bool{40: true, 41: false} {
		var b, stream bytes.Buffer
		w := tar.NewWriter(&b)
		w.WriteHeader(&tar.Header{Name: "l0/", Typeflag: tar.TypeDir})
		for i := range links {
			w.WriteHeader(&tar.Header{Name: fmt.Sprintf("l%d", i+1), Typeflag: tar.TypeSymlink, Linkname: fmt.Sprintf("l%d", i)})
		}
		w.WriteHeader(&tar.Header{Name: fmt.Sprintf("l%d/file", links)})
		w.Close()
		if err := split(&b, &stream); err != nil {
			t.Fatal(err)
		}
		s, err := splitstream.NewReader(bytes.NewReader(stream.Bytes()), int64(stream.Len()))
		if err != nil {
			t.Fatal(err)
		}
		var g layer.Merger
		if err = g.Add(s); ok && err != nil {
			t.Errorf("%d links: %v", links, err)
		} else if !ok {
			wantRefused(t, "41 links", err, "more than 40 symbolic links")
		}
	}
}

// TestManyMembers: an archive that is a source has at most 100,000 members.
func TestManyMembers(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/a.tar")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var one bytes.Buffer
	tar.NewWriter(&one).WriteHeader(&tar.Header{Name: "a"})
	for range 101 {
		if _, err := io.Copy(f, bytes.NewReader(bytes.Repeat(one.Bytes(), 1000))); err != nil {
			t.Fatal(err)
		}
	}
	_, err = images.Open("docker-archive:"+f.Name(), images.Options{})
	if err == nil || !strings.Contains(err.Error(), "100000") {
		t.Errorf("got %v", err)
	}
}
