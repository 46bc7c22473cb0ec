package fsck_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/fsck"
	"cfs/lib/internal/repotest"
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
	for _, image := range []string{"", "a"} {
		for n := 0; ; n++ {
			c := &fsck.Checker{Repo: f.Repo, Image: image, Content: true}
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
