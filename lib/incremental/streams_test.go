package incremental_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"cfs/lib/incremental"
	"cfs/lib/internal/repotest"
	"cfs/lib/oci"
	"cfs/lib/verity"
)

// TestStreams: files are looked for only in images of the registry that is asked, as it was typed,
// those of the same repository first; and in all of them if any may be told.
func TestStreams(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	streams := map[verity.ID]string{}
	for _, tag := range []struct{ name, source string }{
		{"a-local", "oci:/layout"}, {"b-other", "docker://other.example/app:1"}, {"c-same", "docker://h.example:5000/lib/x:1"},
		{"d-near", "docker://h.example:5000/lib/app@sha256:" + strings.Repeat("0", 64)}, {"docker://h.example:5000/e", ""}, {"f-unknown", ""}, {"g-port", "docker://h.example/lib/app"},
		{"h-bare", "h.example:5000/lib/y"},
	} {
		l := repotest.AddLayer(t, r, repotest.File("name", tag.name))
		streams[l.Stream] = tag.name
		image := repotest.Pull(t, r, tag.name, repotest.Image{Layers: []repotest.Layer{l}})
		if tag.source != "" {
			if err := oci.SetSource(r, tag.name, image.Manifest.Digest, tag.source); err != nil {
				t.Fatal(err)
			}
		}
	}
	leased := repotest.AddLayer(t, r, repotest.File("name", "leased"))
	streams[leased.Stream] = "leased"
	repotest.Name(t, r, leased.DiffID, leased.Stream)
	if err := oci.Lease(r, digest.FromString("pulled"), oci.LayerName(oci.Key(leased.DiffID))); err != nil {
		t.Fatal(err)
	}
	want := func(any bool, source string, want ...string) {
		t.Helper()
		ids, err := incremental.Streams(r, source, any)
		var got []string
		for _, id := range ids {
			got = append(got, streams[id])
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v, want %q", source, got, err, want)
		}
	}
	const source = "docker://h.example:5000/lib/app:2"
	want(false, source, "d-near", "c-same", "docker://h.example:5000/e", "h-bare")
	want(false, "h.example:5000/lib/app", "d-near", "c-same", "docker://h.example:5000/e", "h-bare")
	want(false, "oci:/layout")
	want(false, "docker://H.example:5001/lib/app")
	want(true, source, "d-near", "a-local", "b-other", "c-same", "docker://h.example:5000/e", "f-unknown", "g-port", "h-bare", "leased")
}
