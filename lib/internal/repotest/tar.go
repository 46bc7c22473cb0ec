package repotest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Member is a member of a layer's tar. What its header does not say is 0.
type Member struct {
	tar.Header
	Content string
}

// File returns a regular file that all may read.
func File(name, content string) Member {
	return Member{tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644}, content}
}

// Dir returns a directory that all may read.
func Dir(name string) Member {
	return Member{Header: tar.Header{Name: name + "/", Typeflag: tar.TypeDir, Mode: 0o755}}
}

// Symlink returns a symbolic link.
func Symlink(name, target string) Member {
	return Member{Header: tar.Header{Name: name, Typeflag: tar.TypeSymlink, Mode: 0o777, Linkname: target}}
}

// Hardlink returns another name of an earlier member.
func Hardlink(name, target string) Member {
	return Member{Header: tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: target}}
}

// Tar returns the tar of members, all of them as old as 1970.
func Tar(t testing.TB, members ...Member) []byte {
	t.Helper()
	var b bytes.Buffer
	out := tar.NewWriter(&b)
	for _, m := range members {
		m.Size, m.ModTime = int64(len(m.Content)), time.Unix(0, 0)
		if err := out.WriteHeader(&m.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write([]byte(m.Content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Gzip compresses data.
func Gzip(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Zstd compresses data.
func Zstd(t testing.TB, data []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(data, nil)
}

// Text returns n bytes of text, which begin with what it is about: another object for
// each topic.
func Text(topic string, n int) string {
	line := fmt.Sprintf("This is about %s.\n", topic)
	return strings.Repeat(line, n/len(line)+1)[:n]
}
