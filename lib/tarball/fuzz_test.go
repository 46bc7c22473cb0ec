package tarball_test

import (
	"archive/tar"
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"cfs/lib/tarball"
	"cfs/testdata/rawtar"
	"cfs/testdata/wild"
)

// FuzzTar: whatever archive/tar reads to its end, and the Reader does too, has the same
// members. With sum each block gets the right checksum first, or most of what is tried would
// be no header.
func FuzzTar(f *testing.F) {
	for _, d := range dialects {
		f.Add(d.tar, false)
		f.Add(d.tar, true)
	}
	for _, data := range wild.Tars() {
		f.Add(data, false)
	}
	f.Fuzz(func(t *testing.T, data []byte, sum bool) {
		if data = bytes.Clone(data); sum {
			for block := range slices.Chunk(data, 512) {
				if len(block) == 512 && !bytes.Equal(block, make([]byte, 512)) {
					rawtar.Sum(block)
				}
			}
		}
		compareWithGo(t, data)
	})
}

// FuzzPAX is FuzzTar for an extended header before a file, a hard link and an old
// directory.
func FuzzPAX(f *testing.F) {
	for _, seed := range []string{"path=p", "path=", "linkpath=q", "size=1", "size=", "uid=5", "mtime=-1.5", "SCHILY.xattr.user.a=b", "GNU.sparse.name=n"} {
		f.Add(rawtar.Record(seed))
		f.Add(rawtar.Record("path=a/") + rawtar.Record(seed) + rawtar.Record(seed))
	}
	f.Fuzz(func(t *testing.T, records string) {
		x := rawtar.Member{Type: 'x', Name: "x", Content: records}
		compareWithGo(t, rawtar.Tar(x, rawtar.File("a", "xy"), x, rawtar.Hardlink("l", "a"), x, rawtar.Member{Name: "d/"}, rawtar.File("b", "")))
	})
}

func compareWithGo(t *testing.T, data []byte) {
	ours, _, err := show(t, data, true)
	if err != nil || differs(data) {
		return
	}
	if goes, err := showAsGo(data); err == nil && goes != ours {
		t.Errorf("members %q, for Go %q", ours, goes)
	}
}

// differs reports whether Go and the reference read a tar otherwise, and the Reader as
// the reference does: a PAX path is stronger than a GNU long name, and the times of a GNU
// header are no prefix of its name, also where they cannot be read.
func differs(data []byte) bool {
	long := bytes.Contains(data, []byte("path")) && hasType(data, "LK")
	return long || hasType(data, "S") || hasGNUTimes(data)
}

// hasGNUTimes reports whether a GNU header has times of access or of change.
func hasGNUTimes(data []byte) bool {
	for block := range slices.Chunk(data, 512) {
		if len(block) == 512 && string(block[257:265]) == "ustar  \x00" && (block[345] != 0 || block[357] != 0) {
			return true
		}
	}
	return false
}

func hasType(data []byte, types string) bool {
	for at := 156; at < len(data); at += 512 {
		if strings.IndexByte(types, data[at]) >= 0 {
			return true
		}
	}
	return false
}

// BenchmarkReader reads the headers of empty files.
func BenchmarkReader(b *testing.B) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for range 1000 {
		w.WriteHeader(&tar.Header{Name: "usr/share/some/file", Mode: 0o644})
	}
	w.Close()
	for b.Loop() {
		r := newReader(bytes.NewReader(buf.Bytes()))
		for {
			if _, err := r.Next(); err == io.EOF {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
}

func newReader(in io.Reader) *tarball.Reader { return &tarball.Reader{In: in} }
