package spool

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"cfs/lib/blob"
)

// TestPieces: what is appended in any order is what is read, also after a kill at any byte.
func TestPieces(t *testing.T) {
	content := make([]byte, 3000)
	for i := range content {
		content[i] = byte(i*7 ^ i>>8)
	}
	d := describe(content)
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		s := open(t, t.TempDir())
		have := make([]bool, len(content))
		if n := r.IntN(900); n > 500 { // fetched from the start by an earlier run
			s.mkdir(filepath.Dir("blobs/sha256/x"))
			path, _ := s.PartialPath(d)
			os.WriteFile(path, content[:n], 0o644)
			mark(have, 0, n)
		}
		for range 3 {
			p, err := s.OpenPieces(context.Background(), d)
			if err != nil {
				t.Fatal(err)
			}
			wantPieces(t, p, content, have)
			for range r.IntN(6) {
				from := r.IntN(len(content))
				to := from + 1 + r.IntN(min(300, len(content)-from))
				if err := p.Append(int64(from), content[from:to]); err != nil {
					t.Fatal(err)
				}
				mark(have, from, to)
			}
			wantPieces(t, p, content, have)
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			peeked, err := PeekPieces(s, d)
			if err != nil {
				t.Fatal(err)
			}
			wantPieces(t, peeked, content, have)
			peeked.Close()
		}
	}
}

func mark(have []bool, from, to int) {
	for i := from; i < to; i++ {
		have[i] = true
	}
}

// wantPieces checks what is there, and its bytes.
func wantPieces(t *testing.T, p *Pieces, content []byte, have []bool) {
	t.Helper()
	missing := make([]bool, len(content))
	for _, s := range p.Missing(blob.Span{End: int64(len(content))}) {
		mark(missing, int(s.Start), int(s.End))
	}
	for i := range have {
		if have[i] == missing[i] {
			t.Fatalf("byte %d: there %t, missing %t", i, have[i], missing[i])
		}
		if have[i] {
			if got, err := io.ReadAll(p.Open(blob.Span{Start: int64(i), End: int64(i + 1)})); err != nil || !bytes.Equal(got, content[i:i+1]) {
				t.Fatalf("byte %d: %x, %v", i, got, err)
			}
		}
	}
}

// TestPiecesCut: a file of parts that ends anywhere has what is there of its bytes, and can be
// appended to.
func TestPiecesCut(t *testing.T) {
	content := []byte("0123456789abcdefghij")
	d := describe(content)
	s := open(t, t.TempDir())
	p, err := s.OpenPieces(context.Background(), d)
	if err != nil {
		t.Fatal(err)
	}
	p.Append(12, content[12:17])
	p.Append(3, content[3:6])
	p.Close()
	path, _ := s.Path(d)
	whole, err := os.ReadFile(path + rangesSuffix)
	if err != nil || len(whole) != 2*rangesHeader+8 {
		t.Fatalf("%d bytes, %v", len(whole), err)
	}
	for n := range len(whole) + 1 {
		if err := os.WriteFile(path+rangesSuffix, whole[:n], 0o644); err != nil {
			t.Fatal(err)
		}
		have := make([]bool, len(content))
		mark(have, 12, 12+min(max(n-rangesHeader, 0), 5))
		mark(have, 3, 3+min(max(n-2*rangesHeader-5, 0), 3))
		for range 2 {
			p, err := s.OpenPieces(context.Background(), d)
			if err != nil {
				t.Fatal(err)
			}
			wantPieces(t, p, content, have)
			p.Append(0, content[:1])
			have[0] = true
			p.Close()
		}
	}
}

// TestPiecesForget: what was wrong is forgotten, and what comes later counts.
func TestPiecesForget(t *testing.T) {
	content := []byte("0123456789")
	d := describe(content)
	s := open(t, t.TempDir())
	p, err := s.OpenPieces(context.Background(), d)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.Append(2, []byte("xxxx"))
	p.Forget(blob.Span{Start: 3, End: 5})
	if got := p.Missing(blob.Span{Start: 2, End: 6}); !slices.Equal(got, []blob.Span{{Start: 3, End: 5}}) {
		t.Errorf("missing %v", got)
	}
	p.Append(1, content[1:7])
	if got, err := io.ReadAll(p.Open(blob.Span{Start: 1, End: 7})); string(got) != "123456" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if err := p.Append(8, []byte("yyy")); err == nil {
		t.Error("bytes behind the end are taken")
	}
}

// TestAssemble: what is put together has its name when it is whole, and nothing else stays.
func TestAssemble(t *testing.T) {
	content := []byte("0123456789")
	d := describe(content)
	s := open(t, t.TempDir())
	p, err := s.OpenPieces(context.Background(), d)
	if err != nil {
		t.Fatal(err)
	}
	p.Append(2, []byte("xxxx"))
	failed := errors.New("failed")
	if err := p.Assemble(func(io.Writer) error { return failed }); !errors.Is(err, failed) {
		t.Fatal(err)
	}
	if _, err := p.Assembly(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after a failure: %v", err)
	}
	if err := p.Assemble(func(w io.Writer) error { _, err := io.WriteString(w, "assembly"); return err }); err != nil {
		t.Fatal(err)
	}
	path := p.AssemblyPath()
	p.Close()
	if got, err := os.ReadFile(path); string(got) != "assembly" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if list, err := List(s.dir); err != nil || len(list) != 1 || list[0].Size != 8 || !list[0].Partial {
		t.Errorf("%+v, %v", list, err)
	}
	if err := Remove(path, d.Digest); err != nil {
		t.Fatal(err)
	}
	if list, err := os.ReadDir(filepath.Dir(path)); len(list) != 0 || err != nil {
		t.Errorf("%v, %v", list, err)
	}
}

// FuzzRanges: any file of parts is read without an error, and its parts are inside the blob.
func FuzzRanges(f *testing.F) {
	good := append(header(blob.Span{Start: 2, End: 5}), "abc"...)
	f.Add(good)
	f.Add(append(good, header(blob.Span{Start: 9, End: 10})...))
	f.Add([]byte("cfsrange"))
	f.Add(binary.LittleEndian.AppendUint64(append(header(blob.Span{}), rangesMagic...), 1<<63))
	content := []byte("0123456789")
	d := describe(content)
	s := open(f, f.TempDir())
	path, _ := s.Path(d)
	os.MkdirAll(filepath.Dir(path), 0o755)
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path+rangesSuffix, data, 0o644); err != nil {
			t.Fatal(err)
		}
		p, err := s.OpenPieces(context.Background(), d)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		after := int64(0)
		for _, e := range p.pieces {
			if e.Start < after || e.End <= e.Start || e.End > d.Size {
				t.Errorf("%v", p.pieces)
			}
			after = e.End
		}
		there := d.Size - total(p.Missing(blob.Span{End: d.Size}))
		if got, err := io.ReadAll(p.Open(blob.Span{End: d.Size})); err != nil || int64(len(got)) != there {
			t.Errorf("%d bytes can be read of %d, %v", len(got), there, err)
		}
	})
}

func total(spans []blob.Span) (n int64) {
	for _, s := range spans {
		n += s.Len()
	}
	return n
}
