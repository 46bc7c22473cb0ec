package oci_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cfs/lib/internal/repotest"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/uptime"
	"cfs/lib/verity"
)

// ageOf returns the age of the only lease.
func ageOf(t *testing.T, r *repo.Repo) time.Duration {
	t.Helper()
	var age time.Duration
	count := 0
	for ref, err := range r.Refs(repo.Streams, "cfs-lease") {
		if err == nil {
			age, err = oci.NewLeaseAges(r).Of(ref)
		}
		if err != nil {
			t.Fatal(err)
		}
		count++
	}
	if count != 1 {
		t.Fatalf("%d leases", count)
	}
	return age
}

// TestFaultClockJumps: a lease of this boot ages by a clock that nobody can set; without
// a note of this boot it ages by its date. One from the future is new.
func TestFaultClockJumps(t *testing.T) {
	const day = 24 * time.Hour
	r := repotest.New(t, verity.SHA256)
	d := digest.FromString("a")
	lease(t, r, d, "oci-layer-x")
	note := r.Path + "/cfs/leases/" + d.String()
	made, err := os.ReadFile(note)
	if err != nil {
		t.Fatal(err)
	}
	boot, err := uptime.ThisBoot()
	if err != nil {
		t.Fatal(err)
	}
	now, err := uptime.Now()
	if err != nil {
		t.Fatal(err)
	}
	const otherBoot = "00000000-0000-0000-0000-000000000000"
	for _, v := range []struct {
		note     string
		date     time.Duration // how long ago
		from, to time.Duration
	}{
		{string(made), 0, 0, time.Hour},
		{string(made), 2 * day, 0, time.Hour},  // the clock has jumped ahead
		{string(made), -2 * day, 0, time.Hour}, // or back
		{fmt.Sprintf("%s %d\n", boot, int64((now + day).Seconds())), 2 * day, 0, 0},
		{fmt.Sprintf("%s 0\n", boot), 0, now, now + time.Hour},
		{fmt.Sprintf("%s %d\n", otherBoot, int64(now.Seconds())), 2 * day, 2 * day, 2*day + time.Hour},
		{fmt.Sprintf("%s 0\n", otherBoot), -2 * day, 0, 0},
		{"", 2 * day, 2 * day, 2*day + time.Hour},
		{"garbage", 2 * day, 2 * day, 2*day + time.Hour},
		{fmt.Sprintf("%s 1", boot), 2 * day, 2 * day, 2*day + time.Hour},
		{fmt.Sprintf("%s 01\n", boot), 2 * day, 2 * day, 2*day + time.Hour},
		{fmt.Sprintf("%s -1\n", boot), 2 * day, 2 * day, 2*day + time.Hour},
		{fmt.Sprintf("%s 99999999999999999999\n", boot), 2 * day, 2 * day, 2*day + time.Hour},
		{fmt.Sprintf("%s 1\n1\n", boot), 2 * day, 2 * day, 2*day + time.Hour},
	} {
		if err := os.WriteFile(note, []byte(v.note), 0o644); err != nil {
			t.Fatal(err)
		}
		repotest.Age(t, r, leased(d, "oci-layer-x"), v.date)
		if got := ageOf(t, r); got < v.from || got > v.to {
			t.Errorf("note %q, dated %s ago: %s old, want %s", v.note, v.date, got, v.from)
		}
	}
	if err := os.Remove(note); err != nil {
		t.Fatal(err)
	}
	repotest.Age(t, r, leased(d, "oci-layer-x"), 2*day)
	if got := ageOf(t, r); got < 2*day {
		t.Errorf("without a note: %s old", got)
	}
	// Whoever goes on makes it new.
	lease(t, r, d, "oci-layer-x")
	repotest.Age(t, r, leased(d, "oci-layer-x"), 2*day)
	if got := ageOf(t, r); got > time.Hour {
		t.Errorf("renewed: %s old", got)
	}
	if err := oci.DropLeases(r, d); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(note); !os.IsNotExist(err) {
		t.Errorf("the note has outlived its leases: %v", err)
	}
}

// TestTidyNotes: notes without leases are removed, and those with leases stay.
func TestTidyNotes(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	a, b := digest.FromString("a"), digest.FromString("b")
	lease(t, r, a, "oci-layer-x")
	lease(t, r, b, "oci-layer-x")
	if err := r.RemoveRefs(repo.Streams, "cfs-lease/"+a.String()); err != nil {
		t.Fatal(err)
	}
	repotest.Stray(t, r, "cfs/leases/stray")
	repotest.Stray(t, r, "cfs/leases/folder/stray")
	if err := oci.TidyLeases(r); err != nil {
		t.Fatal(err)
	}
	names, err := r.Notes("leases")
	if err != nil || len(names) != 2 || (names[0] != b.String() && names[1] != b.String()) {
		t.Errorf("left: %q, %v", names, err)
	}
}
