package gc_test

import (
	"errors"
	"strings"
	"testing"

	"cfs/lib/gc"
	"cfs/lib/internal/repotest"
	"cfs/lib/mount"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/uptime"
	"cfs/lib/verity"
)

// leasedMount returns a repository in which only the lease of a mount keeps something.
func leasedMount(t *testing.T, m mount.ID) (*repo.Repo, verity.ID) {
	t.Helper()
	r := repotest.New(t, verity.SHA256)
	image := repotest.Pull(t, r, "a", repotest.Image{Layers: []repotest.Layer{addA(t, r)}})
	id := image.Config.Images["composefs.image.v1"]
	if err := oci.LeaseMount(r, m, id); err != nil {
		t.Fatal(err)
	}
	untag(t, r, "a")
	return r, id
}

func thisBoot(t *testing.T) uptime.Boot {
	t.Helper()
	boot, err := uptime.ThisBoot()
	if err != nil {
		t.Skip("SKIPPED: ", err)
	}
	return boot
}

// TestMountLease: the lease of a mount that is not seen keeps the image as long as the boot
// lasts, or until those leases are dropped.
func TestMountLease(t *testing.T) {
	r, id := leasedMount(t, mount.ID{Boot: thisBoot(t), Namespace: 1, Mount: 1 << 40})
	if result := withoutBytes(collect(t, collector(t, r))); result != (gc.Result{Objects: 5, Streams: 3}) {
		t.Errorf("removed %+v", result)
	}
	if _, err := r.Objects.Verify(id); err != nil {
		t.Error(err)
	}
	wantNothing(t, collector(t, r))
	c := collector(t, r)
	c.DropMounts = true
	if _, err := c.Run(); !errors.Is(err, gc.ErrNoRoots) {
		t.Errorf("got %v", err)
	}
	c.AllowEmpty = true
	if result := withoutBytes(collect(t, c)); result != (gc.Result{Objects: 2, Images: 2}) {
		t.Errorf("removed %+v", result)
	}
	if list := repotest.List(t, r); len(list) != 1 {
		t.Errorf("left: %q", list)
	}
}

// TestMountLeaseOfEarlierBoot: when the machine has been started again nothing is mounted.
func TestMountLeaseOfEarlierBoot(t *testing.T) {
	thisBoot(t)
	r, _ := leasedMount(t, mount.ID{Boot: "00000000-0000-0000-0000-000000000000", Namespace: 1, Mount: 1 << 40})
	c := collector(t, r)
	c.AllowEmpty = true
	if result := withoutBytes(collect(t, c)); result != (gc.Result{Objects: 7, Images: 2, Streams: 3}) {
		t.Errorf("removed %+v", result)
	}
}

// TestNoMountLease: a ref that is not written as leases are is a ref like any other, and is
// kept.
func TestNoMountLease(t *testing.T) {
	const boot = "00000000-0000-0000-0000-000000000000"
	for _, folder := range []string{boot + ".1", boot + ".1.02", strings.ToUpper("x"+boot[1:]) + ".1.2", boot + ".1.2/3", ""} {
		r := repotest.New(t, verity.SHA256)
		image := repotest.Pull(t, r, "a", repotest.Image{Layers: []repotest.Layer{addA(t, r)}})
		id := image.Config.Images["composefs.image.v1"]
		if err := oci.NameImage(r, strings.TrimSuffix("cfs-mount/"+folder, "/")+"/"+id.String(), id); err != nil {
			t.Fatal(err)
		}
		c := collector(t, r)
		c.DropMounts = true
		wantNothing(t, c)
	}
}

// TestHiddenMounts: the result says of how many processes the mounts were not seen.
func TestHiddenMounts(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	c := collector(t, r)
	c.Mounts.Hidden = 3
	var text strings.Builder
	if err := collect(t, c).WriteText(&text); err != nil || text.String() != "Objects: 0 removed (0 bytes)\nNot seen: mounts of 3 processes\n" {
		t.Errorf("%s%v", &text, err)
	}
}
