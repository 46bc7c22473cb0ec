package main

import (
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestContent: inputs are the same bytes each time, so that results can be compared.
func TestContent(t *testing.T) {
	h := sha256.New()
	for _, size := range []shape{split(20, tiny, 2, 50, 50), split(20, small, 3, 100), split(2, sized(200_000), 4, 50, 50)} {
		for i := range size.layers {
			if err := writeTar(h, size.layer(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	const want = "d71e12aa7ab9caa51e8408962bcd3a4ed2f4dba0c38f0bb6d464ad6cc17ba4de"
	if got := fmt.Sprintf("%x", h.Sum(nil)); got != want {
		t.Errorf("%s: a change of the inputs, after which figures of before mean something else", got)
	}
}

// TestLimits: each limit does what it measures.
func TestLimits(t *testing.T) {
	b := newTestBench(t)
	s := b.shape("system")
	layout, err := b.layout("system", s, "gzip")
	if err != nil {
		t.Fatal(err)
	}
	tree, err := b.tree("system", s)
	if err != nil {
		t.Fatal(err)
	}
	list, err := blobs(layout)
	if err != nil || len(list) != len(s.layers)+2 {
		t.Fatalf("%d blobs, %v", len(list), err)
	}
	for _, args := range [][]string{append([]string{"inflate"}, list...), append([]string{"sha256"}, list...), {"verity", tree}} {
		if err := limit(args); err != nil {
			t.Errorf("%s: %v", args[0], err)
		}
	}
	t.Chdir(t.TempDir())
	if err := limit([]string{"write", tree}); err != nil {
		t.Fatal(err)
	}
	if got, want := countFiles(t, "copy"), s.files(); got == 0 || got > want {
		t.Errorf("%d files written of %d", got, want)
	}
	for _, args := range [][]string{{"inflate", "missing"}, {"verity", "missing"}, {"write", "missing"}, {"nothing", "x"}, {"inflate"}} {
		if err := limit(args); err == nil {
			t.Errorf("%q is no error", args)
		}
	}
}

func countFiles(t *testing.T, dir string) (n int) {
	t.Helper()
	if err := files(dir, func(string) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestInput: only what is complete is used again.
func TestInput(t *testing.T) {
	b := newTestBench(t)
	made := 0
	write := func(err error) func(string) error {
		return func(path string) error {
			made++
			if err := os.Mkdir(path, 0o755); err != nil {
				return err
			}
			return err
		}
	}
	if _, err := b.input("x", write(os.ErrInvalid)); err == nil {
		t.Error("an error is lost")
	}
	for range 2 {
		path, err := b.input("x", write(nil))
		if err != nil || filepath.Dir(path) != b.dir {
			t.Errorf("%s, %v", path, err)
		}
	}
	if made != 2 {
		t.Errorf("made %d times", made)
	}
}

// TestPace: a link is busy for as long as its rate says, for all connections together.
func TestPace(t *testing.T) {
	client, server := net.Pipe()
	go func() {
		for {
			if _, err := server.Read(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	}()
	defer server.Close()
	p := &pace{rate: 1e9}
	start := time.Now()
	for range 2 {
		if _, err := (paced{client, p}).Write(make([]byte, 1_000_000)); err != nil {
			t.Fatal(err)
		}
	}
	if busy := p.free.Sub(start); busy < 2*time.Millisecond {
		t.Errorf("2 MB at 1 GB/s took %v", busy)
	}
}
