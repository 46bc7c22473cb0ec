package gc_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/gc"
	"cfs/lib/internal/repotest"
	"cfs/lib/lookup"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/verity"
)

// full returns a repository with two tagged images, an EROFS image with a ref of its own,
// a lease, and garbage.
func full(t *testing.T) (*repo.Repo, *oci.Image) {
	t.Helper()
	r := repotest.New(t, verity.SHA256)
	repotest.Pull(t, r, "b", repotest.Image{Layers: []repotest.Layer{addB(t, r)}})
	image := repotest.Pull(t, r, "a", repotest.Image{Layers: []repotest.Layer{addA(t, r)}})
	if err := oci.NameImage(r, "x/y", image.Config.Images["composefs.image.v1"]); err != nil {
		t.Fatal(err)
	}
	if err := oci.Lease(r, image.Manifest.Digest, oci.LayerName(image.Keys[0])); err != nil {
		t.Fatal(err)
	}
	repotest.AddLayer(t, r, repotest.File("garbage", repotest.Text("garbage", 100)))
	return r, image
}

// wantStopped checks that a collection that could not read something has said so, and has
// removed nothing.
func wantStopped(t *testing.T, r *repo.Repo, before []string, result gc.Result, err error) {
	t.Helper()
	if err == nil || corrupt.IsDamage(err) || result != (gc.Result{}) {
		t.Errorf("removed %+v, error %v", result, err)
	}
	repotest.WantList(t, r, before)
}

// TestFault1Denied: a root that may not be read this time, or a folder of roots, was warned
// of and was no root then: its image was removed, with success. (Faults 1 and 2: what is
// read besides roots decides what goes as well.)
func TestFault1Denied(t *testing.T) {
	r, image := full(t)
	manifest := image.Manifest.Digest.String()
	for _, name := range []string{
		"streams/refs", "streams/refs/oci", "streams/refs/cfs-lease", "streams/refs/cfs-lease/" + manifest, "images/refs", "images/refs/x",
		"streams", "images", "objects",
		"objects/" + image.Manifest.ID.ObjectPath(), "objects/" + image.Config.ID.ObjectPath(), "objects/" + image.Stream(image.Keys[0]).ObjectPath(),
		"objects/" + image.Config.Images["composefs.image.v1"].ObjectPath(),
	} {
		before := repotest.List(t, r)
		var result gc.Result
		var err error
		repotest.Deny(t, r, name, func() {
			c := &gc.Collector{Repo: r, AllowEmpty: true, Warn: func(err error) { t.Errorf("%s: warning: %v", name, err) }}
			result, err = c.Run()
		})
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s: %v", name, err)
		}
		wantStopped(t, r, before, result, err)
	}
}

// TestFault1Starved: the same with few file descriptors, at each place where there may be
// one too few. With enough of them it collects.
func TestFault1Starved(t *testing.T) {
	r, _ := full(t)
	before := repotest.List(t, r)
	for n := 0; ; n++ {
		var result gc.Result
		var err error
		c := collector(t, r)
		repotest.Starve(t, n, func() { result, err = c.Run() })
		if err == nil {
			// A stream is closed before those are opened that it refers to: a folder and a file at
			// once are all that is needed, if no two folders happen to be listed at the same time.
			if n < 2 || result.Objects == 0 {
				t.Errorf("with %d descriptors: removed %+v", n, result)
			}
			break
		}
		if !errors.Is(err, unix.EMFILE) {
			t.Errorf("with %d descriptors: %v", n, err)
		}
		wantStopped(t, r, before, result, err)
	}
	for _, tag := range []string{"a", "b"} {
		if _, err := lookup.Image(r, tag); err != nil {
			t.Error(err)
		}
	}
}

// TestFault1Link: a link in the place of a folder of refs was taken for a ref that leads
// nowhere, and all that the folder has kept was removed.
func TestFault1Link(t *testing.T) {
	for name, target := range map[string]string{
		"streams/refs/oci": "/elsewhere/oci", "streams/refs/other": "oci", "streams/refs/a/b": "../../../elsewhere", "images/refs/x": "../../saved/x",
	} {
		r, _ := full(t)
		if name == "streams/refs/oci" {
			for _, tag := range []string{"a", "b"} {
				untag(t, r, tag)
			}
		}
		if name == "images/refs/x" {
			if err := r.RemoveRef(repo.Images, "x/y"); err != nil {
				t.Fatal(err)
			}
		}
		repotest.Point(t, r, name, target)
		before := repotest.List(t, r)
		c := collector(t, r)
		result, err := c.Run()
		wantStopped(t, r, before, result, err)
		if err == nil || !strings.HasPrefix(err.Error(), name+" is a link to ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFault2FanOut: objects that cannot be listed were left out: their names stayed, what
// they refer to went, and the next pull took them for whole.
func TestFault2FanOut(t *testing.T) {
	r, image := full(t)
	untag(t, r, "a")
	if err := errors.Join(r.RemoveRef(repo.Images, "x/y"), oci.DropLeases(r, image.Manifest.Digest)); err != nil {
		t.Fatal(err)
	}
	before := repotest.List(t, r)
	var result gc.Result
	var err error
	repotest.Deny(t, r, "objects/"+image.Stream(image.Keys[0]).ObjectPath()[:2], func() {
		c := collector(t, r)
		result, err = c.Run()
	})
	wantStopped(t, r, before, result, err)
	collect(t, collector(t, r))
	if len(repotest.List(t, r)) >= len(before) {
		t.Error("then nothing is removed")
	}
}

// TestFault2Again: that a stream cannot be read is an error each time that a root leads to
// it, not the first time alone.
func TestFault2Again(t *testing.T) {
	r, image := full(t)
	repotest.Flip(t, r, image.Stream(image.Keys[0]), 0)
	k := oci.NewReach(r, func(error) {})
	for range 2 {
		if err := k.AddStream(image.Manifest.ID); !corrupt.Is(err) {
			t.Errorf("got %v", err)
		}
	}
}
