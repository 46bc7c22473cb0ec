package cmd

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/footprint"
	"cfs/cmd/internal/imagetest"
)

// bomb is a layer that is small and becomes large.
type bomb struct {
	name  string
	layer func(t testing.TB) []byte // a tar, compressed by gzip here
	names int                       // that a tree of it has
}

// zeroTar is a tar of one file of so many zeros.
func zeroTar(size int64) io.Reader {
	var head bytes.Buffer
	tar.NewWriter(&head).WriteHeader(&tar.Header{Name: "zeros", Typeflag: tar.TypeReg, Mode: 0o644, Size: size})
	return io.MultiReader(&head, io.LimitReader(zeros{}, size+1024))
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// extended is a tar of a header block of a type whose content is text, and of a file behind it.
func extended(t testing.TB, typ byte, text string) []byte {
	head := make([]byte, 512)
	copy(head, "././@LongLink")
	copy(head[100:], "0000644\x000000000\x000000000\x00")
	copy(head[124:], fmt.Sprintf("%011o\x0000000000000\x00", len(text)))
	head[156] = typ
	copy(head[257:], "ustar\x0000")
	copy(head[148:], "        ")
	sum := 0
	for _, b := range head {
		sum += int(b)
	}
	copy(head[148:], fmt.Sprintf("%06o\x00 ", sum))
	padded := text + strings.Repeat("\x00", (512-len(text)%512)%512)
	return append(append(head, padded...), imagetest.Tar(t, imagetest.File("f", "x"))...)
}

// pax is one PAX record.
func pax(key, value string) string {
	for n := len(key) + len(value) + 3; ; n++ {
		if s := fmt.Sprintf("%d %s=%s\n", n, key, value); len(s) == n {
			return s
		}
	}
}

const emptyFiles = 30_000

var bombs = []bomb{
	{"zeros", func(t testing.TB) []byte { return readAll(t, zeroTar(int64(cmdtest.Soak(32, 1024)<<20))) }, 1},
	{"zeros behind the end", func(t testing.TB) []byte { return make([]byte, cmdtest.Soak(32, 1024)<<20) }, 0},
	{"a long PAX header", func(t testing.TB) []byte {
		return extended(t, 'x', strings.Repeat(pax("comment", strings.Repeat("a", 1000)), 20_000))
	}, 1},
	{"a PAX record that claims more", func(t testing.TB) []byte { return extended(t, 'x', "99999999999 path=a\n") }, 1},
	{"a PAX size", func(t testing.TB) []byte { return extended(t, 'x', pax("size", "9223372036854775807")) }, 1},
	{"many xattrs", func(t testing.TB) []byte {
		var b strings.Builder
		for i := range 20_000 {
			b.WriteString(pax(fmt.Sprint("SCHILY.xattr.user.", i), strings.Repeat("x", 40)))
		}
		return extended(t, 'x', b.String())
	}, 1},
	{"a long GNU name", func(t testing.TB) []byte { return extended(t, 'L', strings.Repeat("a", 16<<20)) }, 1},
	{"a deep path", func(t testing.TB) []byte { return extended(t, 'x', pax("path", strings.Repeat("a/", 100_000)+"b")) }, 1},
	{"implied directories", func(t testing.TB) []byte {
		var b bytes.Buffer
		for i := range 300 {
			one := extended(t, 'x', pax("path", fmt.Sprintf("%d/", i)+strings.Repeat("a/", 2000)+"b"))
			b.Write(one[:len(one)-1024]) // less the end of the tar
		}
		b.Write(make([]byte, 1024))
		return b.Bytes()
	}, 250_000},
	{"a sparse file", func(t testing.TB) []byte {
		return extended(t, 'x', pax("GNU.sparse.major", "1")+pax("GNU.sparse.minor", "0")+pax("GNU.sparse.name", "f")+pax("GNU.sparse.realsize", "9000000000000"))
	}, 1},
	{"many empty files", func(t testing.TB) []byte {
		var b bytes.Buffer
		out := tar.NewWriter(&b)
		for i := range emptyFiles {
			if err := out.WriteHeader(&tar.Header{Name: fmt.Sprint("d/", i), Typeflag: tar.TypeReg, Mode: 0o644}); err != nil {
				t.Fatal(err)
			}
		}
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}, emptyFiles},
}

func readAll(t testing.TB, in io.Reader) []byte {
	t.Helper()
	data, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestBombs: layers that become large, or say so, are stored or refused soon, with little
// memory and a plain message.
func TestBombs(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	for _, b := range bombs {
		t.Run(b.name, func(t *testing.T) {
			data, layout := b.layer(t), t.TempDir()
			l := imagetest.NewLayout(t, layout)
			l.Finish(l.Manifest(l.Config(imagetest.HostPlatform(), data), "", l.Blob(v1.MediaTypeImageLayerGzip, imagetest.Gzip(t, data))))
			explode(t, layout, b.names)
		})
	}
	t.Run("a zstd window", func(t *testing.T) {
		layout := t.TempDir()
		l := imagetest.NewLayout(t, layout)
		var b bytes.Buffer
		w, err := zstd.NewWriter(&b, zstd.WithWindowSize(512<<20), zstd.WithEncoderConcurrency(1), zstd.WithSingleSegment(false), zstd.WithEncoderLevel(zstd.SpeedFastest))
		if err != nil {
			t.Fatal(err)
		}
		sum := digest.Canonical.Digester()
		if _, err := io.Copy(io.MultiWriter(w, sum.Hash()), zeroTar(64<<20)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		config := v1.Image{Platform: imagetest.HostPlatform(), RootFS: v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{sum.Digest()}}}
		l.Finish(l.Manifest(l.JSON(v1.MediaTypeImageConfig, config), "", l.Blob(v1.MediaTypeImageLayerZstd, b.Bytes())))
		explode(t, layout, 1)
	})
	t.Logf("%d bombs tried, failed: %v", len(bombs)+1, t.Failed())
}

// explode pulls an image stage by stage, and checks how much memory each took.
func explode(t *testing.T, layout string, names int) {
	t.Helper()
	dir := cmdtest.Scratch(t)
	stages := []struct {
		code string
		most int64 // KiB
	}{
		{"cfs-fetch oci:" + layout + " >$DIR/1", 128 << 10},
		{"cfs-import --init --insecure --progress none <$DIR/1 >$DIR/2", 192 << 10},
		{"cfs-mkerofs <$DIR/2 >$DIR/3", 256<<10 + int64(names)*450>>10},
		{"cfs-link --tag x <$DIR/3", 256 << 10},
		{"cfs-gc check --content", 512 << 10},
	}
	for _, s := range stages {
		code := "timeout -s KILL 120 sh -c " + cmdtest.Quote(s.code)
		r, used := footprint.Run(t, code, append(environ(t, dir+"/repo"), "DIR="+dir))
		if used > s.most {
			t.Errorf("%s: %d MiB, at most %d may be used", s.code, used>>10, s.most>>10)
		}
		if r.Status < 0 || r.Status > 5 || strings.Contains(r.Stderr, "goroutine ") || len(r.Stderr) > 10_000 {
			t.Errorf("%s: exit status %d\n%.2000s", s.code, r.Status, r.Stderr)
		}
		t.Logf("%s: exit status %d, %d MiB\n%.300s", strings.Fields(s.code)[0], r.Status, used>>10, r.Stderr)
		if _, err := os.Lstat(dir + "/repo/streams/refs/oci/x"); r.Status != 0 && err == nil {
			t.Errorf("%s: it failed, and there is a tag", s.code)
		}
		if r.Status != 0 {
			return
		}
	}
}
