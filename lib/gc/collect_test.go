package gc_test

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"cfs/lib/gc"
	"cfs/lib/internal/repotest"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// collector returns a Collector whose warnings fail the test.
func collector(t *testing.T, r *repo.Repo) *gc.Collector {
	return &gc.Collector{Repo: r, Keep: 24 * time.Hour, Warn: func(err error) {
		t.Helper()
		t.Errorf("warning: %v", err)
	}}
}

// collect runs a dry run, which must change nothing, and then c itself, which must do
// what that has said. Both must warn of the same.
func collect(t *testing.T, c *gc.Collector) gc.Result {
	t.Helper()
	before := repotest.List(t, c.Repo)
	var warnings, dryWarnings []string
	dry := *c
	dry.DryRun, dry.Warn = true, func(err error) { dryWarnings = append(dryWarnings, err.Error()) }
	said, err := dry.Run()
	if err != nil {
		t.Fatal(err)
	}
	repotest.WantList(t, c.Repo, before)
	warn := c.Warn
	c.Warn = func(err error) {
		warnings = append(warnings, err.Error())
		warn(err)
	}
	result, err := c.Run()
	if err != nil {
		t.Fatal(err)
	}
	if result != said {
		t.Errorf("done is %+v, the dry run said %+v", result, said)
	}
	repotest.WantLines(t, dryWarnings, warnings...)
	return result
}

// wantNothing checks that a collection removes nothing.
func wantNothing(t *testing.T, c *gc.Collector) {
	t.Helper()
	before := repotest.List(t, c.Repo)
	if result := collect(t, c); result != (gc.Result{}) {
		t.Errorf("removed %+v, want nothing", result)
	}
	repotest.WantList(t, c.Repo, before)
}

// ofEarlierBoot makes all leases of pulls such of an earlier boot, which age by their date.
func ofEarlierBoot(t *testing.T, r *repo.Repo) {
	t.Helper()
	if err := os.RemoveAll(r.Path + "/cfs/leases"); err != nil {
		t.Fatal(err)
	}
}

func addA(t *testing.T, r *repo.Repo) repotest.Layer {
	return repotest.AddLayer(t, r, repotest.Dir("usr"),
		repotest.File("usr/a", repotest.Text("a", 100)), repotest.File("usr/small", "a"))
}

func addB(t *testing.T, r *repo.Repo) repotest.Layer {
	return repotest.AddLayer(t, r, repotest.Dir("usr"),
		repotest.File("usr/b", repotest.Text("b", 100)), repotest.File("usr/same", repotest.Text("a", 100)))
}

func untag(t *testing.T, r *repo.Repo, name string) {
	t.Helper()
	if err := oci.RemoveTag(r, name); err != nil {
		t.Fatal(err)
	}
}

// TestUntagFrees: a tag keeps all that its image has, and when it is gone, a collection
// leaves the repository as it was before that image was pulled.
func TestUntagFrees(t *testing.T) {
	repotest.EachAlgorithm(t, func(t *testing.T, a verity.Algorithm) {
		r := repotest.New(t, a, variant.V1, variant.V2)
		base := addA(t, r)
		repotest.Pull(t, r, "base", repotest.Image{Layers: []repotest.Layer{base}})
		before := repotest.List(t, r)

		image := repotest.Image{Layers: []repotest.Layer{base, addB(t, r)}}
		repotest.Pull(t, r, "all", image)
		repotest.Pull(t, r, "same", image)
		wantNothing(t, collector(t, r))
		untag(t, r, "same")
		wantNothing(t, collector(t, r))
		untag(t, r, "all")
		// A file, the layer, config and manifest with their JSON, two EROFS images; the
		// file that both layers have stays.
		result := collect(t, collector(t, r))
		if want := (gc.Result{Objects: 8, Images: 2, Streams: 3}); withoutBytes(result) != want || result.Bytes < 8*100 {
			t.Errorf("removed %+v, want %+v", result, want)
		}
		repotest.WantList(t, r, before)
	})
}

func withoutBytes(r gc.Result) gc.Result {
	r.Bytes = 0
	return r
}

// TestBytes: what is freed is what the files had.
func TestBytes(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	l := addA(t, r)
	want := int64(100)
	size, err := r.Objects.Size(l.Stream)
	if err != nil {
		t.Fatal(err)
	}
	c := collector(t, r)
	c.AllowEmpty = true
	if result := collect(t, c); result != (gc.Result{Objects: 2, Bytes: want + size, Streams: 1}) {
		t.Errorf("removed %+v, want %d bytes", result, want+size)
	}
}

// TestNoRoots: a repository in which nothing would be kept is emptied only if that is
// allowed; one that is empty already is fine.
func TestNoRoots(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	empty := repotest.List(t, r)
	wantNothing(t, collector(t, r))
	repotest.Pull(t, r, "a", repotest.Image{Layers: []repotest.Layer{addA(t, r)}})
	untag(t, r, "a")
	before := repotest.List(t, r)
	for _, dry := range []bool{true, false} {
		c := collector(t, r)
		c.DryRun = dry
		if result, err := c.Run(); !errors.Is(err, gc.ErrNoRoots) || result != (gc.Result{}) {
			t.Errorf("dry run %v: %+v, %v, want ErrNoRoots", dry, result, err)
		}
	}
	repotest.WantList(t, r, before)
	c := collector(t, r)
	c.AllowEmpty = true
	if result := collect(t, c); result.Objects != 7 {
		t.Errorf("removed %+v, want 7 objects", result)
	}
	repotest.WantList(t, r, empty)
}

// TestLeases: a lease keeps a layer that no image has yet, until it is too old; then
// both go, and the folder of the lease.
func TestLeases(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	l := addA(t, r)
	image := repotest.Image{Layers: []repotest.Layer{l}}
	digest := image.Link(t).Digest
	name := "oci-layer-" + l.DiffID.String()
	if err := oci.Lease(r, digest, name); err != nil {
		t.Fatal(err)
	}
	lease := "streams/refs/cfs-lease/" + digest.String() + "/" + name
	ofEarlierBoot(t, r)
	repotest.Age(t, r, lease, 23*time.Hour)
	wantNothing(t, collector(t, r))

	repotest.Age(t, r, lease, 25*time.Hour)
	if _, err := collector(t, r).Run(); !errors.Is(err, gc.ErrNoRoots) {
		t.Errorf("the only root is a lease that has ended: %v", err)
	}
	c := collector(t, r)
	c.Keep = 26 * time.Hour
	wantNothing(t, c)
	c = collector(t, r)
	c.AllowEmpty = true
	if result := withoutBytes(collect(t, c)); result != (gc.Result{Objects: 2, Streams: 2}) { // the lease, the stream
		t.Errorf("removed %+v", result)
	}
	if _, err := os.Lstat(r.Path + "/streams/refs/cfs-lease/" + digest.String()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder of the lease is left: %v", err)
	}
}

// TestLeaseBesideTag: what an old lease names stays if a tag keeps it.
func TestLeaseBesideTag(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	l := addA(t, r)
	image := repotest.Pull(t, r, "a", repotest.Image{Layers: []repotest.Layer{l}})
	before := repotest.List(t, r)
	name := "oci-layer-" + l.DiffID.String()
	if err := oci.Lease(r, image.Manifest.Digest, name); err != nil {
		t.Fatal(err)
	}
	ofEarlierBoot(t, r)
	repotest.Age(t, r, "streams/refs/cfs-lease/"+image.Manifest.Digest.String()+"/"+name, 25*time.Hour)
	if result := collect(t, collector(t, r)); result != (gc.Result{Streams: 1}) {
		t.Errorf("removed %+v, want the lease alone", result)
	}
	repotest.WantList(t, r, before)
}

// TestArtifact: the blobs of an artifact are kept by its tag, and its empty config.
func TestArtifact(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	repotest.Pull(t, r, "a", repotest.Image{Layers: []repotest.Layer{addA(t, r)}})
	before := repotest.List(t, r)
	blob := repotest.AddBlob(t, r, repotest.Text("an artifact", 300))
	repotest.Pull(t, r, "artifact", repotest.Image{Artifact: true, Layers: []repotest.Layer{blob}})
	wantNothing(t, collector(t, r))
	untag(t, r, "artifact")
	// The blob, manifest and config, each a stream and what is in it.
	if result := withoutBytes(collect(t, collector(t, r))); result != (gc.Result{Objects: 6, Streams: 3}) {
		t.Errorf("removed %+v", result)
	}
	repotest.WantList(t, r, before)
}

// TestImageRef: an EROFS image that has a ref of its own is kept, with the objects of its
// files, and nothing else.
func TestImageRef(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	image := repotest.Pull(t, r, "a", repotest.Image{Layers: []repotest.Layer{addA(t, r)}})
	id := image.Config.Images["composefs.image.v1"]
	if err := oci.NameImage(r, "my/image", id); err != nil {
		t.Fatal(err)
	}
	untag(t, r, "a")
	if result := withoutBytes(collect(t, collector(t, r))); result != (gc.Result{Objects: 5, Streams: 3}) {
		t.Errorf("removed %+v", result)
	}
	file := verity.SHA256.Sum([]byte(repotest.Text("a", 100)))
	for _, id := range []verity.ID{id, file} {
		if _, err := r.Objects.Verify(id); err != nil {
			t.Error(err)
		}
	}
	wantNothing(t, collector(t, r))
}

// TestAnyRef: a ref need not be a tag to keep what it leads to.
func TestAnyRef(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	l := addA(t, r)
	if err := r.SetRef(repo.Streams, "some/where/a", "oci-layer-"+l.DiffID.String()); err != nil {
		t.Fatal(err)
	}
	wantNothing(t, collector(t, r))
}

// TestOldConfig: when a config has been rewritten, and the manifest not yet, the manifest
// keeps the old one, though it has no name any more. The new one is kept by nothing.
func TestOldConfig(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	image := repotest.Image{Layers: []repotest.Layer{addA(t, r)}}
	old := repotest.Pull(t, r, "a", image)
	manifest := "streams/oci-manifest-" + old.Manifest.Digest.String()
	target, err := os.Readlink(r.Path + "/" + manifest)
	if err != nil {
		t.Fatal(err)
	}
	l := image.Link(t)
	repotest.AddEROFS(t, r, l, variant.V2)
	rewritten := repotest.Write(t, r, l)
	repotest.Point(t, r, manifest, target) // as if it had been killed before

	// The manifest's new stream, the config's, the image; and the names of those two.
	if result := withoutBytes(collect(t, collector(t, r))); result != (gc.Result{Objects: 3, Streams: 1, Images: 1}) {
		t.Errorf("removed %+v", result)
	}
	if repotest.Exists(r, rewritten.Config.ID) || !repotest.Exists(r, old.Config.ID) {
		t.Error("kept is the new config, not the one that the manifest refers to")
	}
	again, err := oci.OpenImage(r, old.Manifest.Digest)
	if err != nil || again.Config.ID != old.Config.ID {
		t.Errorf("the image cannot be opened as it was: %v", err)
	}
}

// TestMounted: what is mounted is kept, by the digest or by the ref that it was mounted
// as; names of images of other repositories mean nothing.
func TestMounted(t *testing.T) {
	other := verity.SHA256.Sum([]byte("of another repository")).String()
	for name, by := range map[string]func(r *repo.Repo, id verity.ID) string{
		"digest":     func(_ *repo.Repo, id verity.ID) string { return id.String() },
		"upper case": func(_ *repo.Repo, id verity.ID) string { return strings.ToUpper(id.String()) },
	} {
		t.Run(name, func(t *testing.T) {
			r := repotest.New(t, verity.SHA256)
			image := repotest.Pull(t, r, "a", repotest.Image{Layers: []repotest.Layer{addA(t, r)}})
			id := image.Config.Images["composefs.image.v1"]
			untag(t, r, "a")
			c := collector(t, r)
			c.Mounts.Names = []string{other, by(r, id), "refs/unknown"}
			if result := withoutBytes(collect(t, c)); result != (gc.Result{Objects: 5, Streams: 3}) {
				t.Errorf("removed %+v", result)
			}
			wantNothing(t, c)
			c.Mounts.Names = []string{other}
			if _, err := c.Run(); !errors.Is(err, gc.ErrNoRoots) {
				t.Errorf("an image of another repository keeps something: %v", err)
			}
		})
	}
}
