// Package imagetest makes layers, images and layouts for tests, from descriptions or from a seed,
// always with the same bytes.
package imagetest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Member is a member of a tar. What its header does not say is 0.
type Member struct {
	tar.Header
	Content string
}

// File returns a regular file that all may read.
func File(name, content string) Member {
	return Member{tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644}, content}
}

// Dir returns a directory.
func Dir(name string, mode int64) Member {
	return Member{Header: tar.Header{Name: name + "/", Typeflag: tar.TypeDir, Mode: mode}}
}

// Symlink returns a symbolic link.
func Symlink(name, target string) Member {
	return Member{Header: tar.Header{Name: name, Typeflag: tar.TypeSymlink, Mode: 0o777, Linkname: target}}
}

// Hardlink returns another name of an earlier member.
func Hardlink(name, target string) Member {
	return Member{Header: tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: target}}
}

// At returns the member with a time.
func (m Member) At(sec, nsec int64) Member {
	m.ModTime = time.Unix(sec, nsec)
	if nsec != 0 {
		m.Format = tar.FormatPAX
	}
	return m
}

// Aged returns members, each with another time, which has a fraction.
func Aged(members ...Member) []Member {
	for i, m := range members {
		now := 1_600_000_001 + int64(i)
		members[i] = m.At(now, now%1000*1001)
	}
	return members
}

// Tar returns the tar of members.
func Tar(t testing.TB, members ...Member) []byte {
	t.Helper()
	var b bytes.Buffer
	out := tar.NewWriter(&b)
	for _, m := range members {
		m.Size = int64(len(m.Content))
		if m.ModTime.IsZero() {
			m.ModTime = time.Unix(0, 0)
		}
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

// Gzip compresses data, for a test rather fast than well.
func Gzip(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Zstd compresses data, for a test rather fast than well.
func Zstd(t testing.TB, data []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(data, nil)
}
