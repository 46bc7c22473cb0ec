package fsck_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/fsck"
	"cfs/lib/internal/repotest"
	"cfs/lib/oci"
	"cfs/lib/repo"
)

// wantUntouched checks that a check which has failed with want repairs nothing.
func (f *fixture) wantUntouched(c *fsck.Checker, before []string, err, want error) {
	f.t.Helper()
	if !errors.Is(err, want) || corrupt.IsDamage(err) {
		f.t.Errorf("got %v, want %v", err, want)
	}
	if objects, names, err := c.Repair(); objects != 0 || names != 0 || !errors.Is(err, want) {
		f.t.Errorf("repaired %d objects and %d names, %v", objects, names, err)
	}
	repotest.WantList(f.t, f.Repo, before)
}

// TestFault4Starved: on a whole repository a check with few file descriptors called damaged
// what it could not open, and repair removed it, and tagged images with it.
func TestFault4Starved(t *testing.T) {
	f := newFixture(t)
	before := repotest.List(t, f.Repo)
	for _, images := range [][]string{nil, {"a"}} {
		for n := 0; ; n++ {
			c := &fsck.Checker{Repo: f.Repo, Images: images, Content: true}
			var report fsck.Report
			var err error
			repotest.Starve(t, n, func() { report, err = c.Run() })
			if err == nil {
				if n == 0 || report.Problems != nil {
					t.Errorf("with %d descriptors: %+v", n, report)
				}
				break
			}
			f.wantUntouched(c, before, err, unix.EMFILE)
		}
	}
}

// TestFault4Denied: the same where a single file or directory may not be read this time.
func TestFault4Denied(t *testing.T) {
	f := newFixture(t)
	before := repotest.List(t, f.Repo)
	var names []string
	err := filepath.WalkDir(f.Path, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type() != fs.ModeSymlink && path != f.Path && d.Name() != "meta.json" {
			names = append(names, path[len(f.Path)+1:])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	denied := 0
	for _, name := range names {
		c := &fsck.Checker{Repo: f.Repo, Content: true}
		var report fsck.Report
		var err error
		repotest.Deny(t, f.Repo, name, func() { report, err = c.Run() })
		if err == nil { // only a goroutine of its own reads it, to whom nothing is denied
			if report.Problems != nil {
				t.Errorf("%s: %v", name, report.Problems)
			}
			continue
		}
		denied++
		f.wantUntouched(c, before, err, fs.ErrPermission)
	}
	if denied < len(names)/2 {
		t.Errorf("%d of %d could not be read", denied, len(names))
	}
}

// TestFault4Link: objects that lead out of the repository cannot be read; that made all
// names those of missing objects.
func TestFault4Link(t *testing.T) {
	f := newFixture(t)
	if err := os.Rename(f.Path+"/objects", f.Path+"-objects"); err != nil {
		t.Fatal(err)
	}
	repotest.Point(t, f.Repo, "objects", "../repo-objects")
	before := repotest.List(t, f.Repo)
	c := &fsck.Checker{Repo: f.Repo}
	if _, err := c.Run(); err == nil || corrupt.IsDamage(err) {
		t.Errorf("got %v", err)
	}
	if _, _, err := c.Repair(); err == nil {
		t.Error("repaired, it says")
	}
	repotest.WantList(t, f.Repo, before)
}

// TestFault11: a tag that is removed while the tags are listed was damage.
func TestFault11(t *testing.T) {
	f := newFixture(t)
	for ref, err := range f.Refs(repo.Streams, "") {
		if err != nil {
			t.Error(err)
		}
		if ref.Name == "oci/a" { // the next one is listed already
			f.remove("streams/refs/oci/b")
		} else {
			t.Errorf("ref %s, which was removed", ref.Name)
		}
	}
}

// TestNoMeta: that there is no meta.json is said as the reference says it.
func TestNoMeta(t *testing.T) {
	f := newFixture(t)
	f.remove("meta.json")
	c := fsck.Checker{Repo: repotest.Open(t, f.Path)}
	report, err := c.Run()
	if err != nil || !report.NoMeta || report.Problems != nil {
		t.Errorf("report %+v, %v", report, err)
	}
}

// TestFault15: a check passed over a config or a manifest whose name led to another one. It is
// found without Content too, and repair removes the name.
func TestFault15(t *testing.T) {
	for _, name := range []func(digest.Digest) string{oci.ConfigName, oci.ManifestName} {
		f := newFixture(t)
		image := repotest.Pull(t, f.Repo, "other", repotest.Image{Layers: []repotest.Layer{repotest.AddLayer(t, f.Repo, repotest.File("other", "other"))}})
		d, right := image.Config.Digest, image.Config.ID
		if name(d) != oci.ConfigName(d) {
			d, right = image.Manifest.Digest, image.Manifest.ID
		}
		names, err := f.Names(repo.Streams)
		if err != nil {
			t.Fatal(err)
		}
		for _, wrong := range names {
			id, err := f.Lookup(repo.Streams, wrong)
			if kind, _, _ := oci.ParseName(wrong); err != nil || id == right || kind == oci.KindLayer || kind != kindOf(name(d)) {
				continue
			}
			if err := f.Link(repo.Streams, name(d), id); err != nil {
				t.Fatal(err)
			}
			break
		}
		c := &fsck.Checker{Repo: f.Repo}
		report, err := c.Run()
		if err != nil || len(report.Problems) == 0 || !strings.HasPrefix(fmt.Sprint(report.Problems[0]), "fsck: stream-read-failed: streams/"+name(d)+": its content has the digest ") {
			t.Errorf("%s: %v, %v", name(d), report.Problems, err)
		}
		if _, _, err := c.Repair(); err != nil {
			t.Error(err)
		}
		if _, err := f.Lookup(repo.Streams, name(d)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s has stayed: %v", name(d), err)
		}
	}
}

func kindOf(name string) oci.Kind {
	kind, _, _ := oci.ParseName(name)
	return kind
}
