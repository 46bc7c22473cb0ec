package tree_test

import (
	"runtime"
	"testing"

	"cfs/lib/tree"
)

// TestWalkDeep: the memory that a walk holds is not the square of the tree's depth.
func TestWalkDeep(t *testing.T) {
	root := tree.NewDir(0o755)
	dir := root
	const depth = 20_000
	for range depth {
		sub := tree.NewDir(0o755)
		dir.Put("a", sub)
		dir = sub
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	count := 0
	for range tree.Walk(root) {
		if count++; count == depth { // the deepest but one
			runtime.GC()
			runtime.ReadMemStats(&after)
		}
	}
	// A walk that held all paths would hold 400 MB here.
	if held := int64(after.HeapAlloc) - int64(before.HeapAlloc); held > 50<<20 {
		t.Errorf("%d bytes held", held)
	}
}
