package cmd

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/faultrun"
)

// TestFault1: an error while cfs-gc reads its roots was a warning, and tagged images were
// removed, with success.
func TestFault1(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	s := newStand(t)
	s.fail("cfs-gc", kinds("openat", "getdents64", "readlinkat", "newfstatat", "fstat", "read", "pread64"), inside, 8, passing, func(a attempt) {
		a.want(t, 0, 1)
		a.wantFiles(t, s.files)
	})
}

// TestFault1Content: also content that the disk refuses for good stops a collection, as
// something that nobody could tell.
func TestFault1Content(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	s := newStand(t)
	object := s.object("streams/oci-manifest-*")
	o := faultrun.Run(t, "cfs-gc", environ(t, s.whole), faultrun.Fault{Kind: faultrun.Of("pread64"), Nth: 1, Errno: unix.EIO, Stays: true, Such: is(object)})
	wantError(t, o.Result, 1, "streams/refs/oci/", "cannot be read completely, nothing was removed", "input/output error")
	attempt{Outcome: o, repo: s.whole}.wantFiles(t, s.files)
}

// TestFault2: objects or names that could not be listed were passed over while others went.
// What was left had names, and the next pull took it for whole.
func TestFault2(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	s := newStand(t)
	s.fail("cfs-link untag a && cfs-gc", kinds("openat", "getdents64", "readlinkat", "newfstatat"), inside, 6, passing, func(a attempt) {
		if a.Status == 0 {
			a.want(t, 0)
		} else {
			a.want(t, 1)
		}
		must(t, a.repo, "cfs-gc check --content")
		must(t, a.repo, s.pulls["a"])
		must(t, a.repo, "cfs-gc check --content a && cfs-gc check --content b")
	})
}

// TestFault2Pull: a layer whose stream is there and that has lost an object was linked, with
// success. Repair drops it, and pulling again heals.
func TestFault2Pull(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	s := newStand(t)
	lost := strings.Fields(must(t, s.whole, "cfs-mkerofs objects a"))[0]
	must(t, s.whole, fmt.Sprintf("cd $COMPOSEFS_REPO && rm objects/%s/%s streams/oci-config-* streams/oci-manifest-*", lost[:2], lost[2:]))
	r := shell(t, s.whole, s.pulls["a"])
	wantError(t, r, 4, "layer sha256:", "some of its objects are missing: "+lost+" is missing", "cfs-gc check --repair")
	if r := shell(t, s.whole, "cfs-gc check --repair"); r.Status != 4 {
		t.Errorf("repair: %+v", r)
	}
	must(t, s.whole, s.pulls["a"]+" && "+s.pulls["b"]+" && cfs-gc check --content")
}
