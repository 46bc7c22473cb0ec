package build_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cfs/lib/build"
	"cfs/lib/tree"
	"cfs/lib/verity"
)

// TestWriteFile: a file gets the image whatever was there, keeps its mode, and is left alone
// with ifChanged only if it holds just the image.
func TestWriteFile(t *testing.T) {
	recipe := readDump(t, build.Input{}, dumpOf(verity.SHA256, long))
	image := written(t, recipe)
	old := time.Unix(1e9, 0)
	for what, c := range map[string]struct {
		content []byte // nil: there is no file
		stays   bool   // with ifChanged
	}{
		"nothing": {nil, false}, "an empty file": {[]byte{}, false}, "the image": {image, true}, "half of it": {image[:len(image)/2], false},
		"more": {append(bytes.Clone(image), 'x'), false}, "another byte": {append(bytes.Clone(image[:len(image)-1]), 'x'), false},
	} {
		for _, ifChanged := range []bool{false, true} {
			name := filepath.Join(t.TempDir(), "image")
			mode := fs.FileMode(0o644)
			if c.content != nil {
				mode = 0o600
				must(t, os.WriteFile(name, c.content, mode))
				must(t, os.Chtimes(name, old, old))
			}
			id, err := recipe.WriteFile(name, ifChanged)
			if err != nil || id != digestOf(t, recipe) {
				t.Errorf("%s, %v: %s, %v", what, ifChanged, id, err)
			}
			got, err := os.ReadFile(name)
			if err != nil || !bytes.Equal(got, image) {
				t.Errorf("%s, %v: other content, %v", what, ifChanged, err)
			}
			st, err := os.Stat(name)
			must(t, err)
			if stayed := st.ModTime().Equal(old); stayed != (c.stays && ifChanged) || st.Mode() != mode {
				t.Errorf("%s, %v: it stayed: %v, mode %s", what, ifChanged, stayed, st.Mode())
			}
			wantNames(t, filepath.Dir(name), "image")
		}
	}
}

// TestWriteSpecial: what is not a regular file is written to, and stays.
func TestWriteSpecial(t *testing.T) {
	recipe := readDump(t, build.Input{}, empty)
	name := filepath.Join(t.TempDir(), "fifo")
	must(t, unix.Mkfifo(name, 0o600))
	read := make(chan []byte)
	go func() {
		data, _ := os.ReadFile(name)
		read <- data
	}()
	if _, err := recipe.WriteFile(name, true); err != nil {
		t.Error(err)
	}
	if got := <-read; !bytes.Equal(got, written(t, recipe)) {
		t.Errorf("%d bytes came", len(got))
	}
	wantNames(t, filepath.Dir(name), "fifo")
	if _, err := recipe.WriteFile("/dev/full", false); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("/dev/full: %v", err)
	}
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink("loop", link))
	must(t, os.Symlink("link", filepath.Join(filepath.Dir(link), "loop")))
	if _, err := recipe.WriteFile(link, false); !errors.Is(err, unix.ELOOP) {
		t.Errorf("a loop: %v", err)
	}
}

// TestWriteNot: after a failure the old file is as it was, and nothing is beside it.
func TestWriteNot(t *testing.T) {
	recipe := readDump(t, build.Input{}, empty)
	recipe.Root.Put("a/b", tree.NewDir(0o755)) // no image can hold that name
	dir := t.TempDir()
	name := filepath.Join(dir, "image")
	must(t, os.WriteFile(name, []byte("old"), 0o600))
	for _, ifChanged := range []bool{false, true} {
		if _, err := recipe.WriteFile(name, ifChanged); err == nil {
			t.Error("written")
		}
	}
	if got, err := os.ReadFile(name); err != nil || string(got) != "old" {
		t.Errorf("%q, %v", got, err)
	}
	wantNames(t, dir, "image")
	if _, err := recipe.WriteFile(dir+"/none/image", false); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no such folder: %v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantNames checks what is in a folder.
func wantNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	must(t, err)
	if len(list) != len(want) {
		t.Errorf("%d entries in %s, want %d", len(list), dir, len(want))
	}
	for i, e := range list {
		if i < len(want) && e.Name() != want[i] {
			t.Errorf("%s is there", e.Name())
		}
	}
}
