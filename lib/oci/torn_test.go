package oci_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"cfs/lib/internal/repotest"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/verity"
)

// TestFault3Pull: what a power cut has left of a pull, objects of the right size and of zeros,
// does not get into the image that is pulled next: files, splitstreams, JSON, EROFS images.
func TestFault3Pull(t *testing.T) {
	pull := func(r *repo.Repo) *oci.Image {
		member := repotest.File("usr/large", string(make([]byte, 1000))+"large")
		layer := repotest.AddLayer(t, r, member, repotest.File("usr/a", "a"))
		return repotest.Pull(t, r, "a", repotest.Image{Layers: []repotest.Layer{layer}})
	}
	whole := repotest.New(t, verity.SHA256)
	want := pull(whole)
	torn := repotest.New(t, verity.SHA256)
	kinds := 0
	for id, err := range whole.Objects.List() {
		size, sizeErr := whole.Objects.Size(id)
		if err := errors.Join(err, sizeErr); err != nil {
			t.Fatal(err)
		}
		leave(t, torn, "objects/"+id.ObjectPath(), make([]byte, size))
		kinds++
	}
	if kinds != 7 { // a file, and object and stream of each document, the layer, the EROFS image
		t.Fatalf("%d objects", kinds)
	}
	leave(t, torn, "cfs/unflushed-dead", []byte("boot 0a-0b\nmount 7\n"))
	if got := pull(torn); got.Config.ID != want.Config.ID || got.Manifest.ID != want.Manifest.ID {
		t.Error("another image was linked")
	}
	for id := range torn.Objects.List() {
		if _, err := torn.Objects.VerifyContent(id); err != nil {
			t.Error(err)
		}
	}
}

func leave(t *testing.T, r *repo.Repo, name string, content []byte) {
	t.Helper()
	path := filepath.Join(r.Path, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content, 0o644)); err != nil {
		t.Fatal(fmt.Errorf("%s: %w", name, err))
	}
}
