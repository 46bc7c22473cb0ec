package gc_test

import (
	"errors"
	"testing"

	"cfs/lib/gc"
	"cfs/lib/internal/repotest"
	"cfs/lib/oci"
	"cfs/lib/verity"
)

// TestAgain: a Collector can be used again; what it found before means nothing then.
func TestAgain(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	repotest.Pull(t, r, "a", repotest.Image{Layers: []repotest.Layer{repotest.AddLayer(t, r, repotest.File("usr/a", "a"))}})
	repotest.Point(t, r, "streams/refs/oci/dangling", "../../oci-manifest-sha256:00")
	c := &gc.Collector{Repo: r, Warn: func(error) {}}
	for _, want := range []gc.Result{{Streams: 1}, {}} {
		if result, err := c.Run(); err != nil || result != want {
			t.Errorf("removed %+v, %v, want %+v", result, err, want)
		}
	}
	if err := oci.RemoveTag(r, "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Run(); !errors.Is(err, gc.ErrNoRoots) {
		t.Errorf("roots are counted that are gone: %v", err)
	}
}
