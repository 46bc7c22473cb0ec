package gc_test

import (
	"testing"

	"github.com/opencontainers/go-digest"

	"cfs/lib/gc"
	"cfs/lib/internal/repotest"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/verity"
)

// addArtifact stores an artifact without a tag, and has it belong to a manifest.
func addArtifact(t *testing.T, r *repo.Repo, content string, subject digest.Digest) digest.Digest {
	t.Helper()
	artifact := repotest.Write(t, r, repotest.Image{Artifact: true, Layers: []repotest.Layer{repotest.AddBlob(t, r, content)}}.Link(t)).Manifest.Digest
	if err := oci.Refer(r, subject, artifact); err != nil {
		t.Fatal(err)
	}
	return artifact
}

// TestReferrers: an artifact is kept while its image is, also if that is an artifact itself, and
// goes in the collection in which the image goes.
func TestReferrers(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	a := repotest.Pull(t, r, "a", repotest.Image{Layers: []repotest.Layer{addA(t, r)}}).Manifest.Digest
	repotest.Pull(t, r, "b", repotest.Image{Layers: []repotest.Layer{addB(t, r)}})
	of := addArtifact(t, r, repotest.Text("of a", 200), a)
	addArtifact(t, r, repotest.Text("of the artifact", 200), of)
	before := repotest.List(t, r)
	if result := collect(t, collector(t, r)); result != (gc.Result{}) {
		t.Errorf("removed %+v while the image is tagged", result)
	}
	repotest.WantList(t, r, before)

	untag(t, r, "a")
	if result := collect(t, collector(t, r)); result.Referrers != 2 {
		t.Errorf("%+v, want 2 artifacts gone", result)
	}
	for _, subject := range []digest.Digest{a, of} {
		if list, err := oci.Referrers(r, subject); err != nil || len(list) > 0 {
			t.Errorf("artifacts of %s: %v, %v", subject, list, err)
		}
	}
	wantNothing(t, collector(t, r))
}

// TestReferrersCircle: artifacts that belong to each other keep nothing, nor does one of an image
// that was never here; all of them together are no root.
func TestReferrersCircle(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	one := addArtifact(t, r, repotest.Text("one", 200), digest.FromString("nowhere"))
	two := addArtifact(t, r, repotest.Text("two", 200), one)
	if err := oci.Refer(r, two, one); err != nil {
		t.Fatal(err)
	}
	c := collector(t, r)
	if _, err := c.Run(); err != gc.ErrNoRoots {
		t.Errorf("artifacts alone are roots: %v", err)
	}
	c.AllowEmpty = true
	if result := collect(t, c); result.Referrers != 3 || result.Objects == 0 {
		t.Errorf("%+v", result)
	}
}
