package blob

import (
	"bytes"
	stdgzip "compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"

	"cfs/lib/corrupt"
)

func TestReader(t *testing.T) {
	const text = "the content of a blob"
	d := digest.FromString(text)
	for _, v := range []struct {
		name, text string
		size       int64
		ok         bool
	}{
		{"right", text, int64(len(text)), true},
		{"size unknown", text, -1, true},
		{"other bytes", strings.ToUpper(text), int64(len(text)), false},
		{"short", text[:5], int64(len(text)), false},
		{"long", text + "!", int64(len(text)), false},
		{"empty", "", int64(len(text)), false},
	} {
		for _, in := range []io.Reader{strings.NewReader(v.text), iotest.OneByteReader(strings.NewReader(v.text)), iotest.DataErrReader(strings.NewReader(v.text))} {
			r, err := NewReader(in, d, v.size)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if v.ok && (err != nil || string(got) != text) || !v.ok && !corrupt.Is(err) {
				t.Errorf("%s: %q, %v", v.name, got, err)
			}
		}
	}
	for _, bad := range []digest.Digest{"", "sha256:00", "md5:d41d8cd98f00b204e9800998ecf8427e"} {
		if _, err := NewReader(nil, bad, 0); !corrupt.Is(err) {
			t.Errorf("digest %q: %v", bad, err)
		}
	}
}

func gzipped(s string) []byte {
	var b bytes.Buffer
	w := stdgzip.NewWriter(&b)
	w.Write([]byte(s))
	w.Close()
	return b.Bytes()
}

func zstded(s string) []byte {
	w, _ := zstd.NewWriter(nil)
	return w.EncodeAll([]byte(s), nil)
}

// TestDecompress: all members and frames are read, and damage is told from errors
// of the source.
func TestDecompress(t *testing.T) {
	skippable := []byte("\x50\x2a\x4d\x18\x03\x00\x00\x00abc")
	for name, v := range map[string]struct {
		c    Compression
		data []byte
	}{
		"plain":     {None, []byte("onetwo")},
		"gzip":      {Gzip, gzipped("onetwo")},
		"members":   {Gzip, append(gzipped("one"), gzipped("two")...)},
		"zstd":      {Zstd, zstded("onetwo")},
		"frames":    {Zstd, append(zstded("one"), zstded("two")...)},
		"skippable": {Zstd, append(append(skippable, zstded("one")...), append(zstded("two"), skippable...)...)},
	} {
		r, err := Decompress(bytes.NewReader(v.data), v.c)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || string(got) != "onetwo" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		r.Close()
		if c, in, err := Sniff(bytes.NewReader(v.data)); err != nil || c != v.c {
			t.Errorf("%s: sniffed as %s, %v", name, c, err)
		} else if back, _ := io.ReadAll(in); !bytes.Equal(back, v.data) {
			t.Errorf("%s: sniffing took bytes away", name)
		}
		if v.c == None {
			continue
		}
		for cut := range len(v.data) - 1 {
			if err := decompressAll(bytes.NewReader(v.data[:cut]), v.c); err != nil && !corrupt.Is(err) {
				t.Errorf("%s cut at %d: %v", name, cut, err)
			}
		}
		broken := errors.New("the disk is broken")
		if err := decompressAll(io.MultiReader(bytes.NewReader(v.data[:8]), iotest.ErrReader(broken)), v.c); !errors.Is(err, broken) || corrupt.Is(err) {
			t.Errorf("%s from a broken disk: %v", name, err)
		}
	}
}

func decompressAll(in io.Reader, c Compression) error {
	r, err := Decompress(in, c)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(io.Discard, r)
	return err
}

func TestAhead(t *testing.T) {
	text := strings.Repeat("0123456789", 100_000)
	broken := errors.New("broken")
	for _, v := range []struct {
		in  io.Reader
		err error
	}{
		{strings.NewReader(text), nil},
		{iotest.DataErrReader(strings.NewReader(text)), nil},
		{io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)), broken},
	} {
		a := Ahead(v.in)
		got, err := io.ReadAll(a)
		if err != v.err || string(got) != text {
			t.Errorf("%d bytes, %v; want %d, %v", len(got), err, len(text), v.err)
		}
		if _, err := a.Read(make([]byte, 1)); err != v.err && !(v.err == nil && err == io.EOF) {
			t.Errorf("after the end: %v", err)
		}
		a.Close()
	}
	a := Ahead(strings.NewReader(text)) // closed before its end
	a.Read(make([]byte, 1))
	a.Close()
}

// BenchmarkDecompress reads 16 MiB.
func BenchmarkDecompress(b *testing.B) {
	text := strings.Repeat("some text that is compressed, and some other text; ", 16<<20/51)
	for name, v := range map[Compression][]byte{Gzip: gzipped(text), Zstd: zstded(text)} {
		b.Run(string(name), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if err := decompressAll(bytes.NewReader(v), name); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
