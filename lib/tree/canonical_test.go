package tree_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/tolerance"
	"cfs/lib/tree"
)

// owned returns a directory with attributes that no other has.
func owned(entries ...any) *tree.Inode {
	d := dir(entries...)
	d.Mode, d.UID, d.GID, d.Mtime = unix.S_IFDIR|0o1750, 7, 8, tree.Time{Sec: 9, Nsec: 10}
	d.SetXattr("user.x", "y")
	return d
}

// wantLike checks the attributes of a directory, those of its entries left out.
func wantLike(t *testing.T, name string, got, want *tree.Inode) {
	t.Helper()
	if got.Mode != want.Mode || got.UID != want.UID || got.GID != want.GID || got.Mtime != want.Mtime || !slices.Equal(got.Xattrs, want.Xattrs) {
		t.Errorf("%s is %+v, want %+v", name, got, want)
	}
}

// TestCanonicalize: the root becomes as /usr is, and /run empty and as old; nothing else
// changes, and what is canonical stays as it is.
func TestCanonicalize(t *testing.T) {
	for _, strict := range []bool{false, true} {
		for _, bareRoot := range []bool{false, true} {
			usr, etc, run := owned("bin", dir()), dir("a", file("a")), dir("lost", file("lost"))
			run.UID = 5
			given := dir("usr", usr, "etc", etc, "run", run)
			if tree.IsCanonical(given) {
				t.Error("canonical before")
			}
			root, err := tree.Canonicalize(given, bareRoot, tolerance.Strict(strict))
			if err != nil {
				t.Fatal(err)
			}
			wantLike(t, "the root", root, owned())
			wantLike(t, "/usr", usr, owned())
			wantLike(t, "/etc", etc, dir())
			if got := paths(root); !slices.Equal(got, []string{"/", "/etc", "/etc/a", "/run", "/usr", "/usr/bin"}) {
				t.Errorf("paths %q", got)
			}
			if run.Mtime != usr.Mtime || run.UID != 5 || run.Mode != unix.S_IFDIR|0o755 {
				t.Errorf("/run is %+v", run)
			}
			if !tree.IsCanonical(root) {
				t.Error("not canonical after")
			}
			root.SetXattr("user.y", "z")
			if _, ok := usr.Xattr("user.y"); ok {
				t.Error("the root shares its xattrs with /usr")
			}
		}
	}
}

// TestWithoutUsr: without a directory /usr the root stays as it is, or is a plain one if
// nothing is known of it; strict rules refuse that.
func TestWithoutUsr(t *testing.T) {
	for _, usr := range []*tree.Inode{nil, file("usr"), {Mode: unix.S_IFLNK | 0o777, Target: "sysroot/usr"}} {
		for _, bareRoot := range []bool{false, true} {
			given, run := owned("a", file("a")), dir("lost", file("lost"))
			given.Put("run", run)
			if usr != nil {
				given.Put("usr", usr)
			}
			count := tree.Count(given)
			if _, err := tree.Canonicalize(given, bareRoot, tolerance.Strict(true)); !errors.Is(err, tolerance.ErrRefused) || !strings.Contains(err.Error(), "/usr is missing or not a directory") {
				t.Errorf("strict: %v", err)
			}
			root, err := tree.Canonicalize(given, bareRoot, nil)
			if err != nil {
				t.Fatal(err)
			}
			want := owned()
			if bareRoot {
				want = tree.NewDir(0o755)
			}
			wantLike(t, "the root", root, want)
			if run.Len() != 0 || run.Mtime != want.Mtime || tree.Count(root) != count-1 {
				t.Errorf("/run is %+v, and there are %d names", run, tree.Count(root))
			}
			if usr == nil && tree.IsCanonical(root) {
				t.Error("canonical without /usr")
			}
		}
	}
}

// TestRun: one that is not a directory stays, and is refused by strict rules.
func TestRun(t *testing.T) {
	given := dir("usr", owned(), "run", file("run"))
	if _, err := tree.Canonicalize(given, false, tolerance.Strict(true)); !errors.Is(err, tolerance.ErrRefused) || !strings.Contains(err.Error(), "/run is not a directory") {
		t.Errorf("strict: %v", err)
	}
	root, err := tree.Canonicalize(given, false, nil)
	if err != nil || root.Lookup("run").Inline != "run" || tree.IsCanonical(root) {
		t.Errorf("got %v, %v", paths(root), err)
	}
	root, err = tree.Canonicalize(dir("usr", owned()), false, tolerance.Strict(true))
	if err != nil || root.Lookup("run") != nil || !tree.IsCanonical(root) {
		t.Errorf("without /run: %v, %v", paths(root), err)
	}
}

// TestIsCanonical: each attribute of the root counts, and of /run its time and that it is
// empty.
func TestIsCanonical(t *testing.T) {
	for name, change := range map[string]func(root *tree.Inode){
		"mode":           func(root *tree.Inode) { root.Mode ^= 1 },
		"owner":          func(root *tree.Inode) { root.UID++ },
		"group":          func(root *tree.Inode) { root.GID++ },
		"time":           func(root *tree.Inode) { root.Mtime.Nsec++ },
		"xattr":          func(root *tree.Inode) { root.SetXattr("user.x", "z") },
		"more xattrs":    func(root *tree.Inode) { root.SetXattr("user.y", "y") },
		"no usr":         func(root *tree.Inode) { root.Remove("usr") },
		"time of run":    func(root *tree.Inode) { root.Lookup("run").Mtime.Sec++ },
		"content of run": func(root *tree.Inode) { root.Lookup("run").Put("a", file("a")) },
		"type of run":    func(root *tree.Inode) { root.Put("run", file("")) },
	} {
		root, err := tree.Canonicalize(dir("usr", owned(), "run", dir()), false, nil)
		if err != nil || !tree.IsCanonical(root) {
			t.Fatalf("not canonical at first: %v", err)
		}
		if change(root); tree.IsCanonical(root) {
			t.Errorf("canonical with another %s", name)
		}
	}
}
