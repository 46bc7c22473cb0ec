package oci_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cfs/lib/internal/repotest"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/verity"
)

// leased returns where the lease for a manifest on a stream is.
func leased(d digest.Digest, stream string) string {
	return "streams/refs/cfs-lease/" + d.String() + "/" + stream
}

func lease(t *testing.T, r *repo.Repo, d digest.Digest, stream string) {
	t.Helper()
	if err := oci.Lease(r, d, stream); err != nil {
		t.Fatal(err)
	}
	if err := r.SyncNames(); err != nil {
		t.Fatal(err)
	}
}

// TestLease: a lease is a ref, in a folder of its pull; all of the pull end at once.
func TestLease(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	a, b := digest.FromString("a"), digest.FromString("b")
	lease(t, r, a, "oci-layer-x")
	lease(t, r, a, "oci-layer-y")
	lease(t, r, b, "oci-layer-x")
	var names []string
	for ref, err := range r.Refs(repo.Streams, "") {
		if err != nil || !oci.IsLease(ref) {
			t.Errorf("%+v is no lease, %v", ref, err)
		}
		names = append(names, ref.Name+" -> "+ref.Target)
	}
	want := []string{
		"cfs-lease/" + a.String() + "/oci-layer-x -> oci-layer-x",
		"cfs-lease/" + a.String() + "/oci-layer-y -> oci-layer-y",
		"cfs-lease/" + b.String() + "/oci-layer-x -> oci-layer-x",
	}
	if b < a {
		want = []string{want[2], want[0], want[1]}
	}
	repotest.WantLines(t, names, want...)
	for range 2 {
		if err := oci.DropLeases(r, a); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.SyncNames(); err != nil {
		t.Errorf("leases that another pull has ended: %v", err)
	}
	if oci.IsLease(repo.Ref{Name: "oci/cfs-lease/x"}) || oci.IsLease(repo.Ref{Name: "cfs-leases/x"}) {
		t.Error("another ref is a lease")
	}
	for ref := range r.Refs(repo.Streams, "") {
		if !strings.HasPrefix(ref.Name, "cfs-lease/"+b.String()) {
			t.Errorf("left: %s", ref.Name)
		}
	}
}

// TestReview4x10: each attempt renews a lease, however short leases are kept, and flushes it.
func TestReview4x10(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	d := digest.FromString("a")
	path := leased(d, "oci-layer-x")
	made := func() time.Time {
		t.Helper()
		st, err := os.Lstat(r.Path + "/" + path)
		if err != nil {
			t.Fatal(err)
		}
		return st.ModTime()
	}
	lease(t, r, d, "oci-layer-x")
	lease(t, r, d, "oci-layer-y")
	for _, age := range []time.Duration{time.Minute, 30 * time.Minute, 48 * time.Hour} {
		repotest.Age(t, r, path, age)
		before := made()
		lease(t, r, d, "oci-layer-x")
		if !made().After(before) {
			t.Errorf("one of age %s is not renewed", age)
		}
	}
	if target, err := os.Readlink(r.Path + "/" + path); err != nil || target != "../../../oci-layer-x" {
		t.Errorf("it leads to %q, %v", target, err)
	}
}

// TestLeaseImage: an EROFS image is leased as a layer is, and by an attempt that finds it too.
func TestLeaseImage(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	d, id := digest.FromString("a"), verity.SHA256.Sum(nil)
	for range 2 {
		if err := oci.LeaseImage(r, d, id); err != nil {
			t.Fatal(err)
		}
	}
	path := r.Path + "/images/refs/cfs-lease/" + d.String() + "/" + id.String()
	if target, err := os.Readlink(path); err != nil || target != "../../../"+id.String() {
		t.Errorf("it leads to %q, %v", target, err)
	}
	for ref, err := range r.Refs(repo.Images, "") {
		if err != nil || !oci.IsLease(ref) {
			t.Errorf("%+v is no lease, %v", ref, err)
		}
	}
	if err := oci.DropLeases(r, d); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("after its end: %v", err)
	}
}

// TestTidyLeases: folders of leases that have ended are removed, others stay.
func TestTidyLeases(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	if err := oci.TidyLeases(r); err != nil {
		t.Errorf("where there are none: %v", err)
	}
	a, b := digest.FromString("a"), digest.FromString("b")
	lease(t, r, a, "oci-layer-x")
	lease(t, r, b, "oci-layer-x")
	repotest.Stray(t, r, "streams/refs/cfs-lease/stray")
	if err := r.RemoveRef(repo.Streams, strings.TrimPrefix(leased(a, "oci-layer-x"), "streams/refs/")); err != nil {
		t.Fatal(err)
	}
	if err := oci.TidyLeases(r); err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadDir(r.Path + "/streams/refs/cfs-lease")
	if err != nil || len(list) != 2 || list[0].Name() != b.String() || list[1].Name() != "stray" {
		t.Errorf("left: %v, %v", list, err)
	}
}
