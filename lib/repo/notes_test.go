package repo

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
)

// TestNotes: a note is replaced in one step, and one that was being written when its
// writer was killed is a leftover.
func TestNotes(t *testing.T) {
	r := newRepo(t, insecure)
	if _, err := r.ReadNote("built/a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without one: %v", err)
	}
	if names, err := r.Notes("built"); names != nil || err != nil {
		t.Errorf("without any: %q, %v", names, err)
	}
	for _, text := range []string{"first", "second\n"} {
		if err := r.WriteNote("built/a", []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := r.ReadNote("built/a"); err != nil || string(got) != text {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if names, err := r.Notes("built"); !slices.Equal(names, []string{"a"}) || err != nil {
		t.Errorf("names %q, %v", names, err)
	}
	if left, err := r.Leftovers(); left != nil || err != nil {
		t.Errorf("leftovers %q, %v", left, err)
	}
	os.WriteFile(r.Path+"/cfs/.note-killed", []byte("fir"), 0o644)
	if left, err := r.Leftovers(); !slices.Equal(left, []string{"cfs/.note-killed"}) || err != nil {
		t.Errorf("leftovers %q, %v", left, err)
	}
	for range 2 {
		if err := r.RemoveNote("built/a"); err != nil {
			t.Error(err)
		}
	}
}

// TestOddNotes: what is no file of a sensible size is never read, nor waited for.
func TestOddNotes(t *testing.T) {
	r := newRepo(t, insecure)
	if err := os.MkdirAll(r.Path+"/cfs/built/folder", 0o755); err != nil {
		t.Fatal(err)
	}
	unix.Mkfifo(r.Path+"/cfs/built/fifo", 0o644)
	os.WriteFile(r.Path+"/cfs/built/large", []byte(strings.Repeat("x", maxNote+1)), 0o644)
	for _, name := range []string{"folder", "fifo", "large"} {
		if text, err := r.ReadNote("built/" + name); !corrupt.Is(err) {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
}
