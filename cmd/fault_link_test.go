package cmd

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
)

// TestFault5: cfs-link forgot the references of a config that it could not read this time,
// such as that to a boot image, with success.
func TestFault5(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	s := newStand(t)
	records := cmdtest.Scratch(t) + "/records"
	if err := os.WriteFile(records, []byte(must(t, s.whole, "cfs-link show a")), 0o644); err != nil {
		t.Fatal(err)
	}
	must(t, s.whole, "cfs-link show a | cfs-mkerofs --erofs-version 2 | cfs-link --tag a")
	images := func(repo string) int { return strings.Count(must(t, repo, "cfs-link show a"), "\nimage ") }
	want := images(s.whole)
	if want != 2 {
		t.Fatalf("%d images", want)
	}
	s.fail("cfs-link --tag a <"+records, kinds("openat", "read", "pread64", "fstat", "readlinkat", "newfstatat"), inside, 12, passing, func(a attempt) {
		a.want(t, 0, 1)
		if got := images(a.repo); got != want {
			t.Errorf("%s, %q: exit status %d, and %d EROFS images of %d\n%s", a.Fault, a.Hit, a.Status, got, want, a.Stderr)
		}
	})
}

// TestFault9: errors of the machine were called damage: exit status 4, by which a supervisor
// throws a repository away. Nor are they absence.
func TestFault9(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	s := newStand(t)
	records := cmdtest.Scratch(t) + "/records"
	if err := os.WriteFile(records, []byte(must(t, s.whole, "cfs-link show a")), 0o644); err != nil {
		t.Fatal(err)
	}
	layer := "oci-layer-" + strings.SplitAfter(strings.SplitAfter(must(t, s.whole, "cfs-link show a"), " diff-id=")[1], " ")[0]
	for _, code := range []string{
		"cfs-mkerofs <" + records, "cfs-link --no-tag <" + records, "cfs-link tag a c", "cfs-link show a", "cfs-import cat " + layer, "cfs-import ls " + layer,
		"cfs-import show " + layer, "cfs-mkerofs dump a", "cfs-mkerofs --oci a", "cfs-gc", "cfs-gc check --content", "cfs-import <" + records,
		s.pulls["a"],
	} {
		s.fail(code, kinds("read", "pread64", "openat", "fstat", "readlinkat"), inside, 3, append(passing, unix.EDQUOT), func(a attempt) { a.want(t, 0, 1) })
	}
}
