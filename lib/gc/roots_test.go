package gc_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"cfs/lib/corrupt"
	"cfs/lib/gc"
	"cfs/lib/internal/repotest"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/verity"
)

// TestUnreadableRoot: a root that cannot be read to its end stops the collection before
// anything is removed, by an error that names it.
func TestUnreadableRoot(t *testing.T) {
	for _, v := range []struct {
		name   string
		damage func(t *testing.T, r *repo.Repo, i *oci.Image)
		root   string
	}{
		{"manifest stream is damaged", func(t *testing.T, r *repo.Repo, i *oci.Image) { repotest.Flip(t, r, i.Manifest.ID, 0) }, "streams/refs/oci/a"},
		{"config stream is damaged", func(t *testing.T, r *repo.Repo, i *oci.Image) { repotest.Flip(t, r, i.Config.ID, 40) }, "streams/refs/oci/a"},
		{"config stream is missing", func(t *testing.T, r *repo.Repo, i *oci.Image) { repotest.Lose(t, r, i.Config.ID) }, "streams/refs/oci/a"},
		{"config stream is another thing", func(t *testing.T, r *repo.Repo, i *oci.Image) {
			repotest.Replace(t, r, i.Config.ID, []byte(repotest.Text("something else", 200)))
		}, "streams/refs/oci/a"},
		{"layer stream is missing", func(t *testing.T, r *repo.Repo, i *oci.Image) { repotest.Lose(t, r, i.Stream(i.Keys[0])) }, "streams/refs/oci/a"},
		{"EROFS image of a ref is damaged", func(t *testing.T, r *repo.Repo, i *oci.Image) {
			id := i.Config.Images["composefs.image.v1"]
			if err := oci.NameImage(r, "x/y", id); err != nil {
				t.Fatal(err)
			}
			repotest.Flip(t, r, id, 1030)
		}, "images/refs/x/y"},
	} {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			r := repotest.New(t, verity.SHA512)
			image := repotest.Pull(t, r, "a", repotest.Image{Layers: []repotest.Layer{addA(t, r)}})
			addB(t, r) // which is garbage
			v.damage(t, r, image)
			before := repotest.List(t, r)
			for _, c := range []*gc.Collector{{DryRun: true}, {AllowEmpty: true}, {}} {
				c.Repo, c.Warn = r, func(err error) { t.Error("warning:", err) }
				result, err := c.Run()
				if !corrupt.Is(err) || result != (gc.Result{}) || !strings.HasPrefix(err.Error(), v.root+" cannot be read completely, nothing was removed: ") {
					t.Errorf("removed %+v, error %v", result, err)
				}
			}
			repotest.WantList(t, r, before)
		})
	}
}

// TestUnreadableMount: so does what is mounted.
func TestUnreadableMount(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	image := repotest.Pull(t, r, "a", repotest.Image{Layers: []repotest.Layer{addA(t, r)}})
	addB(t, r)
	id := image.Config.Images["composefs.image.v1"]
	repotest.Flip(t, r, id, 1030)
	before := repotest.List(t, r)
	c := collector(t, r)
	c.Mounts.Names = []string{id.String()}
	if _, err := c.Run(); !corrupt.Is(err) || !strings.HasPrefix(err.Error(), "mounted image: images/"+id.String()) {
		t.Errorf("got %v", err)
	}
	repotest.WantList(t, r, before)
}

// TestStrays: what does not belong into a repository is warned of, stays, and keeps
// nothing from being collected; refs that lead nowhere go.
func TestStrays(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	repotest.Pull(t, r, "a", repotest.Image{Layers: []repotest.Layer{addA(t, r)}})
	repotest.Pull(t, r, "b", repotest.Image{Layers: []repotest.Layer{addB(t, r)}})
	untag(t, r, "b")
	zeros := strings.Repeat("0", 62)
	for _, name := range []string{
		"stray", "objects/00/stray", "objects/00/" + zeros + "/in", "streams/stray", "images/stray", "streams/refs/stray", "images/refs/folder/stray",
	} {
		repotest.Stray(t, r, name)
	}
	repotest.Point(t, r, "streams/elsewhere", "/etc/passwd")
	repotest.Point(t, r, "streams/refs/oci/dangling", "../../oci-manifest-sha256:00")
	repotest.Point(t, r, "images/refs/dangling", "../"+zeros)
	repotest.Point(t, r, "streams/lost", "../objects/11/"+zeros)
	repotest.Point(t, r, "streams/refs/lost", "../lost")
	repotest.Stray(t, r, "objects/.tmp-object-abcdefghijkl")
	repotest.Point(t, r, ".symlink-abcdefghijkl", "x")

	var warnings []string
	c := collector(t, r)
	c.Warn = func(err error) { warnings = append(warnings, err.Error()) }
	// The image b, less the file that a has too; three refs that dangle; the name that does.
	want := gc.Result{Objects: 7, Images: 2, Streams: 6, Leftovers: 2}
	if result := withoutBytes(collect(t, c)); result != want {
		t.Errorf("removed %+v, want %+v", result, want)
	}
	repotest.WantLines(t, warnings,
		"streams/refs/lost is dangling: lost is missing",
		"streams/refs/oci/dangling is dangling: oci-manifest-sha256:00 is missing",
		"streams/refs/stray is neither a symbolic link nor a directory",
		"images/refs/dangling is dangling: "+zeros+" is missing",
		"images/refs/folder/stray is neither a symbolic link nor a directory",
		"objects/00/"+zeros+" is no object",
		"objects/00/stray is no object",
		`streams/elsewhere: "/etc/passwd" is not an object of the repository`,
		"streams/stray is not a symbolic link",
		"images/stray is not a symbolic link")
	left := repotest.List(t, r)
	for _, name := range []string{"stray 5", "objects/00/stray 5", "streams/stray 5", "images/refs/folder/stray 5", "streams/elsewhere -> /etc/passwd"} {
		if !slices.Contains(left, name) {
			t.Errorf("%s went", name)
		}
	}
	for _, name := range left {
		if strings.Contains(name, "abcdefghijkl") || strings.Contains(name, "dangling") || strings.Contains(name, "lost") {
			t.Errorf("%s stayed", name)
		}
	}
}

// TestLostEROFS: an EROFS image that its config refers to, and that is missing, is made
// again by the next pull: its name goes, with a warning.
func TestLostEROFS(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	image := repotest.Image{Layers: []repotest.Layer{addA(t, r)}}
	pulled := repotest.Pull(t, r, "a", image)
	before := repotest.List(t, r)
	id := pulled.Config.Images["composefs.image.v1"]
	repotest.Lose(t, r, id)
	var warnings []string
	c := collector(t, r)
	c.Warn = func(err error) { warnings = append(warnings, err.Error()) }
	if result := collect(t, c); result != (gc.Result{Images: 1}) {
		t.Errorf("removed %+v, want a name", result)
	}
	repotest.WantLines(t, warnings, "EROFS image: object "+id.String()+": no such file or directory")
	repotest.Pull(t, r, "a", image)
	repotest.WantList(t, r, before)
}

// TestNoPlace: a repository whose folders are something else is not collected.
func TestNoPlace(t *testing.T) {
	for _, name := range []string{"images", "streams"} {
		r := repotest.New(t, verity.SHA256)
		l := addA(t, r)
		if err := os.RemoveAll(r.Path + "/" + name); err != nil {
			t.Fatal(err)
		}
		repotest.Stray(t, r, name)
		c := &gc.Collector{Repo: r, AllowEmpty: true, Warn: func(error) {}}
		if _, err := c.Run(); err == nil || !repotest.Exists(r, l.Stream) {
			t.Errorf("%s is a file: error %v, object there %v", name, err, repotest.Exists(r, l.Stream))
		}
	}
}
