package blob

import (
	"bytes"
	stdgzip "compress/gzip"
	"errors"
	"fmt"
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
		"zeros":     {Gzip, append(gzipped("onetwo"), make([]byte, 10_000)...)},
		"one zero":  {Gzip, append(append(gzipped("one"), gzipped("two")...), 0)},
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
		for cut := range min(len(v.data)-1, 200) {
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

// TestBehindGzip: what stands behind gzip data and is no zero is an error that says how
// much there is, all of which was read.
func TestBehindGzip(t *testing.T) {
	data := gzipped("onetwo")
	for behind, want := range map[string]string{
		"x": "gzip: 1 bytes after the gzip data", "\x00\x00garbage": "gzip: 9 bytes after the gzip data",
		strings.Repeat("\x00", 70_000) + "x": "gzip: 70001 bytes after the gzip data", "\x1f": "gzip: 1 bytes after the gzip data",
		"\x00" + string(data): fmt.Sprintf("gzip: %d bytes after the gzip data", len(data)+1), "\x1f\x8b\x07": "gzip: unexpected EOF",
		"\x1f\x8b\x07garbage": "gzip: gzip: invalid header",
	} {
		in := strings.NewReader(string(data) + behind)
		if err := decompressAll(in, Gzip); err == nil || err.Error() != want || !corrupt.Is(err) {
			t.Errorf("%.20q: %v, want %s", behind, err, want)
		}
	}
	broken := errors.New("the disk is broken")
	for _, in := range []io.Reader{iotest.ErrReader(broken), io.MultiReader(strings.NewReader("\x00"), iotest.ErrReader(broken))} {
		if err := decompressAll(io.MultiReader(bytes.NewReader(data), in), Gzip); !errors.Is(err, broken) || corrupt.Is(err) {
			t.Errorf("from a broken disk: %v", err)
		}
	}
}

// TestUnsupported: compressions that are not read are named, and a name that looks like
// one is none.
func TestUnsupported(t *testing.T) {
	for data, want := range map[string]string{
		"\xfd7zXZ\x00\x00\x04": "xz", "BZh91AY&SY": "bzip2", "BZh9\x17rE8P\x90": "bzip2", "BZhello": "", "BZh9": "",
		"\x04\x22\x4d\x18": "lz4", "LZIP\x01": "lzip", "\x1f\x9d\x90": "compress", "": "", "usr/": "",
	} {
		c, _, err := Sniff(strings.NewReader(data))
		if (err == nil) != (want == "") || c != None || err != nil && (!strings.Contains(err.Error(), "compressed by "+want+":") || corrupt.Is(err)) {
			t.Errorf("%q: %s, %v", data, c, err)
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
		var also bytes.Buffer
		a := Ahead(v.in, &also)
		got, err := io.ReadAll(a)
		if err != v.err || string(got) != text {
			t.Errorf("%d bytes, %v; want %d, %v", len(got), err, len(text), v.err)
		}
		if also.String() != text {
			t.Errorf("%d bytes were written, want %d", also.Len(), len(text))
		}
		if _, err := a.Read(make([]byte, 1)); err != v.err && !(v.err == nil && err == io.EOF) {
			t.Errorf("after the end: %v", err)
		}
		a.Close()
	}
	for _, also := range []io.Writer{nil, io.Discard} {
		a := Ahead(strings.NewReader(text), also) // closed before its end
		a.Read(make([]byte, 1))
		a.Close()
	}
}

// full is a writer that fails after so many bytes.
type full int

func (f *full) Write(p []byte) (int, error) {
	if *f -= full(len(p)); *f < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

// What could not be written besides is not read as if it had been.
func TestAheadWriteFails(t *testing.T) {
	room := full(3 * aheadSize)
	a := Ahead(strings.NewReader(strings.Repeat("x", 10*aheadSize)), &room)
	if n, err := io.Copy(io.Discard, a); err != io.ErrShortWrite || n != 3*aheadSize {
		t.Errorf("%d bytes, %v", n, err)
	}
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
