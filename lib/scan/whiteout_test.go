package scan_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/scan"
	"cfs/lib/tolerance"
)

// TestLinkedWhiteouts: the whiteouts of overlayfs that are links of each other are whiteouts
// of their own; strict rules refuse them, naming one.
func TestLinkedWhiteouts(t *testing.T) {
	dir := scratch(t)
	write(t, dir, map[string]string{"d/file": "x"})
	if err := unix.Mknod(dir+"/a", unix.S_IFCHR|0o600, 0); err != nil {
		t.Skip("SKIPPED: no whiteout can be made here: ", err)
	}
	for _, name := range []string{"/b", "/d/c"} {
		if err := os.Link(dir+"/a", dir+name); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(dir+"/d/file", dir+"/file"); err != nil {
		t.Fatal(err)
	}
	root := mustScan(t, dir, scan.Options{})
	a, b, c := root.Lookup("a"), root.Lookup("b"), root.Lookup("d").Lookup("c")
	if !a.IsWhiteout() || !b.IsWhiteout() || !c.IsWhiteout() || a == b || a == c || b == c || a.Mtime != c.Mtime {
		t.Errorf("%+v, %+v, %+v", a, b, c)
	}
	if root.Lookup("file") != root.Lookup("d").Lookup("file") {
		t.Error("other links are files of their own")
	}
	_, err := scan.Scan(dir, scan.Options{Rules: tolerance.Strict(true)})
	if !errors.Is(err, tolerance.ErrRefused) || !strings.Contains(err.Error(), dir+"/") {
		t.Error(err)
	}
}
