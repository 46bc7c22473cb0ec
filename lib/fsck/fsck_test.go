package fsck_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cfs/lib/fsck"
	"cfs/lib/internal/repotest"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// fixture is a repository with two images, the first of which is to be damaged. They
// share nothing.
type fixture struct {
	*repo.Repo
	t      *testing.T
	source repotest.Image
	image  *oci.Image // tagged "a"
	layer  verity.ID  // stream of its layer
	file   verity.ID  // the object of a file of the layer
	erofs  verity.ID
}

const sealLabel = "containers.composefs.fsverity"

func newFixture(t *testing.T) *fixture {
	f := &fixture{Repo: repotest.New(t, verity.SHA256), t: t}
	repotest.Pull(t, f.Repo, "b", repotest.Image{Layers: []repotest.Layer{repotest.AddLayer(t, f.Repo,
		repotest.File("usr/b", repotest.Text("b", 100)))}})
	f.pull()
	return f
}

// pull pulls the image a.
func (f *fixture) pull() {
	f.t.Helper()
	text := repotest.Text("a", 100)
	f.source.Layers = []repotest.Layer{repotest.AddLayer(f.t, f.Repo, repotest.File("usr/a", text))}
	f.image = repotest.Pull(f.t, f.Repo, "a", f.source)
	f.layer, f.file = f.image.Stream(f.image.Keys[0]), verity.SHA256.Sum([]byte(text))
	f.erofs = f.image.Config.Images["composefs.image.v1"]
}

// relink writes the image a as change wants it.
func (f *fixture) relink(change func(*oci.Link)) {
	f.t.Helper()
	l := f.source.Link(f.t)
	change(l)
	repotest.Write(f.t, f.Repo, l)
}

func (f *fixture) remove(name string) {
	f.t.Helper()
	if err := os.Remove(f.Path + "/" + name); err != nil {
		f.t.Fatal(err)
	}
}

// check runs a check, and returns its problems with names for what is in the fixture.
func (f *fixture) check(c *fsck.Checker) (fsck.Report, []string) {
	f.t.Helper()
	c.Repo = f.Repo
	report, err := c.Run()
	if err != nil {
		f.t.Fatal(err)
	}
	var problems []string
	for _, p := range report.Problems {
		problems = append(problems, f.named(p.String()))
	}
	return report, problems
}

// named writes the digests of a text as the names of what they are of.
func (f *fixture) named(text string) string {
	for name, digest := range map[string]string{
		"LAYERKEY": f.image.Keys[0].String(), "CONFIGDIGEST": f.image.Config.Digest.String(), "MANIFESTDIGEST": f.image.Manifest.Digest.String(),
	} {
		text = strings.ReplaceAll(text, digest, name)
	}
	for name, id := range map[string]verity.ID{
		"LAYER": f.layer, "FILE": f.file, "EROFS": f.erofs, "CONFIG": f.image.Config.ID, "MANIFEST": f.image.Manifest.ID,
	} {
		text = strings.ReplaceAll(strings.ReplaceAll(text, id.String(), name), id.ObjectPath(), name)
	}
	return regexp.MustCompile(`[0-9a-f]{64}`).ReplaceAllString(text, "OTHER")
}

// TestWhole: there is nothing to say of a whole repository, and nothing to repair.
func TestWhole(t *testing.T) {
	repotest.EachAlgorithm(t, func(t *testing.T, a verity.Algorithm) {
		r := repotest.New(t, a, variant.V2, variant.V1)
		image := repotest.Pull(t, r, "a", repotest.Image{Layers: []repotest.Layer{
			repotest.AddLayer(t, r, repotest.File("usr/a", repotest.Text("a", 100))),
			repotest.AddLayer(t, r, repotest.File("usr/b", repotest.Text("b", 1<<20))),
		}})
		repotest.Pull(t, r, "artifact", repotest.Image{Artifact: true, Layers: []repotest.Layer{repotest.AddBlob(t, r, "blob")}})
		if err := oci.NameImage(r, "x", image.Config.Images["composefs.image"]); err != nil {
			t.Fatal(err)
		}
		before := repotest.List(t, r)
		c := &fsck.Checker{Repo: r, Content: true}
		report, err := c.Run()
		if err != nil || report.Problems != nil {
			t.Errorf("problems %v, error %v", report.Problems, err)
		}
		// Two files, the streams of two layers, config and manifest, the JSON of these, and
		// two EROFS images; and the artifact's three streams and what is in them.
		counts := []fsck.Count{report.Objects, report.Streams, report.Images, report.Tags}
		if want := []fsck.Count{{16, 16}, {7, 7}, {2, 2}, {2, 2}}; !slices.Equal(counts, want) {
			t.Errorf("counts %v, want %v", counts, want)
		}
		if objects, names, err := c.Repair(); objects != 0 || names != 0 || err != nil {
			t.Errorf("repaired %d objects and %d names, %v", objects, names, err)
		}
		repotest.WantList(t, r, before)
	})
}

// TestEmpty: an empty repository is whole.
func TestEmpty(t *testing.T) {
	c := fsck.Checker{Repo: repotest.New(t, verity.SHA256)}
	report, err := c.Run()
	if err != nil || report.Problems != nil || report.Objects.Total+report.Streams.Total+report.Images.Total+report.Tags.Total != 0 {
		t.Errorf("report %+v, error %v", report, err)
	}
}
