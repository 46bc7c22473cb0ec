package gc_test

import (
	"errors"
	"os"
	"testing"

	"cfs/lib/gc"
	"cfs/lib/internal/repotest"
	"cfs/lib/oci"
	"cfs/lib/verity"
)

// TestDeadMarks: a collection removes the marks of writers that have not flushed, when it
// has removed what they may have left; one that ends before, or only looks, keeps them.
func TestDeadMarks(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	repotest.Pull(t, r, "a", repotest.Image{Layers: []repotest.Layer{repotest.AddLayer(t, r, repotest.File("usr/a", "a"))}})
	mark := r.Path + "/cfs/unflushed-dead"
	if err := os.WriteFile(mark, []byte("boot 0a-0b\nmount 7\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	run := func(c *gc.Collector, wantErr error, wantMark bool) {
		t.Helper()
		if _, err := c.Run(); !errors.Is(err, wantErr) {
			t.Errorf("got %v, want %v", err, wantErr)
		}
		if _, err := os.Lstat(mark); (err == nil) != wantMark {
			t.Errorf("the mark: %v, want it to be there: %v", err, wantMark)
		}
	}
	dry := collector(t, r)
	dry.DryRun = true
	run(dry, nil, true)
	if err := oci.RemoveTag(r, "a"); err != nil {
		t.Fatal(err)
	}
	run(collector(t, r), gc.ErrNoRoots, true)
	if err := oci.SetTag(r, "a", repotest.Pull(t, r, "a", repotest.Image{}).Manifest.Digest); err != nil {
		t.Fatal(err)
	}
	run(collector(t, r), nil, false)
}
