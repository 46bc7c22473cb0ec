package erofs_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cfs/lib/erofs"
	"cfs/lib/tree"
	"cfs/lib/variant"
)

// An image read and written again is the same, and the tree that was read has
// the canonical dumpfile of the tree that was written.
func TestVectorRoundTrip(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: it takes seconds")
	}
	for _, vector := range readVectors(t) {
		root := vector.tree(t)
		for _, v := range versions { // V2 comes last: it changes the tree
			data, err := bytesOf(vector.writer(), root, v)
			if err != nil {
				continue // TestVectors tells which may be refused
			}
			got := readTree(t, data)
			if again, err := bytesOf(vector.writer(), got, v); err != nil || !bytes.Equal(again, data) {
				t.Errorf("%s: V%d: not the same image after it was read (error %v)", vector.name, v, err)
			}
			if v == variant.V2 {
				dropNanoseconds(root)
			}
			if want, got := dump(t, root), dump(t, got); got != want {
				diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n"))
				t.Errorf("%s: V%d: other tree after it was read: %.2000s", vector.name, v, diff)
			}
			checkObjects(t, data, root)
		}
	}
}

// dropNanoseconds makes of a tree what V2 can hold of it.
func dropNanoseconds(root *tree.Inode) {
	for _, n := range tree.Walk(root) {
		n.Mtime.Nsec = 0
	}
}

// TestUnnamed: links that have no name in the tree are in the image, and are read back.
func TestUnnamed(t *testing.T) {
	for _, v := range versions {
		root := tree.NewDir(0o755)
		one := &tree.Inode{Mode: 0o100644, Unnamed: 1}
		two := &tree.Inode{Mode: 0o100644, Unnamed: 70_000}
		root.Put("a", one)
		root.Put("b", two)
		root.Put("c", two)
		data, err := bytesOf(erofs.Write, root, v)
		if err != nil {
			t.Fatal(err)
		}
		got := readTree(t, data)
		if a, b := got.Lookup("a"), got.Lookup("b"); a.Unnamed != 1 || b.Unnamed != 70_000 || got.Lookup("c") != b {
			t.Errorf("V%d: %d and %d links without a name", v, a.Unnamed, b.Unnamed)
		}
	}
}
