package gc_test

import (
	"slices"
	"strings"
	"testing"

	"cfs/lib/corrupt"
	"cfs/lib/gc"
	"cfs/lib/internal/repotest"
	"cfs/lib/oci"
	"cfs/lib/verity"
)

// TestNamed: an image that is named outside of the repository is kept like one that a ref of
// images names, with its objects and without its tag. Only what no tag keeps is told as kept.
func TestNamed(t *testing.T) {
	r := repotest.New(t, verity.SHA512)
	image := repotest.Pull(t, r, "a", repotest.Image{Layers: []repotest.Layer{addA(t, r)}})
	id := image.Config.Images["composefs.image.v1"]
	if err := oci.NameImage(r, "boot/x/"+id.String(), id); err != nil {
		t.Fatal(err)
	}
	c := collector(t, r)
	wantNothing(t, c)
	if kept := c.Kept(); kept != nil {
		t.Errorf("a tag keeps it, and %q is told", kept)
	}
	untag(t, r, "a")
	collect(t, c)
	if want := []string{"images/refs/boot/x/" + id.String()}; !slices.Equal(c.Kept(), want) {
		t.Errorf("kept %q, want %q", c.Kept(), want)
	}
	if err := oci.RemoveImageRef(r, "boot/x/"+id.String()); err != nil {
		t.Fatal(err)
	}
	c.Named = []gc.Named{{Image: id, By: "esp/x.conf"}}
	wantNothing(t, c)
	c.Named = nil
	c.AllowEmpty = true
	if result := withoutBytes(collect(t, c)); result != (gc.Result{Objects: 2, Images: 1}) {
		t.Errorf("removed %+v", result)
	}
}

// TestNamedOdd: one that is not here is warned of; one that is damaged stops the collection.
func TestNamedOdd(t *testing.T) {
	r := repotest.New(t, verity.SHA512)
	image := repotest.Pull(t, r, "a", repotest.Image{Layers: []repotest.Layer{addA(t, r)}})
	addB(t, r)
	id := image.Config.Images["composefs.image.v1"]
	var said []string
	c := &gc.Collector{Repo: r, DryRun: true, Warn: func(err error) { said = append(said, err.Error()) }}
	c.Named = []gc.Named{{Image: verity.SHA512.Sum([]byte("another")), By: "esp/x.conf"}}
	if _, err := c.Run(); err != nil || len(said) != 1 || !strings.HasPrefix(said[0], "esp/x.conf names the image ") {
		t.Errorf("said %q, error %v", said, err)
	}
	repotest.Flip(t, r, id, 1030)
	before := repotest.List(t, r)
	c = collector(t, r)
	c.Named = []gc.Named{{Image: id, By: "esp/y.conf"}}
	if _, err := c.Run(); !corrupt.Is(err) || !strings.HasPrefix(err.Error(), "esp/y.conf names an image that cannot be read completely, nothing was removed: ") {
		t.Errorf("error %v", err)
	}
	repotest.WantList(t, r, before)
}
