package oci_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"cfs/lib/blob"
	"cfs/lib/corrupt"
	"cfs/lib/internal/repotest"
	"cfs/lib/oci"
	"cfs/lib/tolerance"
	"cfs/lib/verity"
	"cfs/testdata/rawtar"
)

// TestCompression: how a layer is compressed its bytes say, not its media type; where the
// two disagree there is a warning, and strict rules refuse.
func TestCompression(t *testing.T) {
	tar := rawtar.Tar(rawtar.Dir("usr/"), rawtar.File("usr/a", "a"))
	gzip, zstd := repotest.Gzip(t, tar), repotest.Zstd(t, tar)
	named := rawtar.Tar(rawtar.File("BZh91A", ""))
	for _, c := range []struct {
		name  string
		said  blob.Compression
		bytes []byte
		warn  string
		err   string
		not   bool // marked as corrupt
	}{
		{name: "tar", said: blob.None, bytes: tar},
		{name: "gzip", said: blob.Gzip, bytes: gzip},
		{name: "zstd", said: blob.Zstd, bytes: zstd},
		{name: "unsaid tar", bytes: tar},
		{name: "unsaid gzip", bytes: gzip},
		{name: "unsaid nothing"},
		{name: "tar for gzip", said: blob.Gzip, bytes: tar, warn: "its content is tar, its media type says gzip"},
		{name: "tar for zstd", said: blob.Zstd, bytes: tar, warn: "its content is tar, its media type says zstd"},
		{name: "gzip for tar", said: blob.None, bytes: gzip, warn: "its content is gzip, its media type says tar"},
		{name: "gzip for zstd", said: blob.Zstd, bytes: gzip, warn: "its content is gzip, its media type says zstd"},
		{name: "zstd for gzip", said: blob.Gzip, bytes: zstd, warn: "its content is zstd, its media type says gzip"},
		{name: "zstd for tar", said: blob.None, bytes: zstd, warn: "its content is zstd, its media type says tar"},
		{name: "an empty tar for gzip", said: blob.Gzip, bytes: make([]byte, 1024), warn: "its content is tar, its media type says gzip"},
		{name: "nothing for gzip", said: blob.Gzip, warn: "its content is tar, its media type says gzip"},
		{name: "a name like a magic", said: blob.None, bytes: named},

		{name: "garbage for gzip", said: blob.Gzip, bytes: []byte(strings.Repeat("garbage", 1000)), err: "gzip: "},
		{name: "garbage for zstd", said: blob.Zstd, bytes: []byte("garbage"), err: "zstd: "},
		{name: "garbage for tar", said: blob.None, bytes: []byte(strings.Repeat("garbage", 1000)), err: "checksum"},
		{name: "xz for gzip", said: blob.Gzip, bytes: []byte("\xfd7zXZ\x00\x00\x04"), err: "compressed by xz", not: true},
		{name: "bzip2 for tar", said: blob.None, bytes: []byte("BZh91AY&SY"), err: "compressed by bzip2", not: true},
		{name: "unsaid xz", bytes: []byte("\xfd7zXZ\x00\x00\x04"), err: "compressed by xz", not: true},
		{name: "more behind gzip", said: blob.Gzip, bytes: append(bytes.Clone(gzip), "more"...), err: "4 bytes after the gzip data"},
		{name: "zeros behind gzip", said: blob.Gzip, bytes: append(bytes.Clone(gzip), 0, 0)},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, strict := range []bool{false, true} {
				r := repotest.New(t, verity.SHA256)
				rules := tolerance.Strict(strict)
				_, err := oci.ImportLayer(context.Background(), r, bytes.NewReader(c.bytes), c.said, oci.Source{Size: -1, Rules: rules})
				switch {
				case c.err != "":
					if err == nil || !strings.Contains(err.Error(), c.err) || corrupt.Is(err) == c.not {
						t.Errorf("strict %v: %v, want %s", strict, err, c.err)
					}
				case strict && c.warn != "":
					if !errors.Is(err, tolerance.ErrRefused) || !strings.HasSuffix(err.Error(), c.warn) {
						t.Errorf("strict: %v", err)
					}
				default:
					var want []string
					if c.warn != "" {
						want = []string{c.warn + ": cfsctl 0.9.0 refuses it"}
					}
					if got := rules.Warnings(); err != nil || !slices.Equal(got, want) {
						t.Errorf("strict %v: %v, warnings %q", strict, err, got)
					}
				}
			}
		})
	}
}
