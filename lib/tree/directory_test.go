package tree

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestEntries: a directory is a map from names to inodes, whether it has few or many.
func TestEntries(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	dir, want := NewDir(0o755), map[string]*Inode{}
	for step := range 20_000 {
		name := fmt.Sprint(random.IntN(4 + step/500))
		switch random.IntN(20) {
		case 0, 1, 2, 3, 4, 5, 6, 7:
			child := NewDir(0)
			dir.Put(name, child)
			want[name] = child
		case 8, 9, 10, 11, 12, 13, 14:
			dir.Remove(name)
			delete(want, name)
		case 15:
			if step%7 == 0 {
				dir.Clear()
				clear(want)
			}
		case 16:
			other := NewDir(0)
			other.TakeEntries(dir)
			dir = other
		}
		if dir.Lookup(name) != want[name] || dir.Len() != len(want) || int(dir.Subdirs()) != len(want) {
			t.Fatalf("step %d: %d entries, want %d", step, dir.Len(), len(want))
		}
		if step%50 != 0 {
			continue
		}
		list := dir.Entries()
		for i, name := range slices.Sorted(maps.Keys(want)) {
			if list[i] != (Entry{name, want[name]}) {
				t.Fatalf("step %d: %q, want %q", step, list[i].Name, name)
			}
		}
	}
}

// TestFault19Directory: a directory with one entry costs little. A map of its own would take
// more than all else together.
func TestFault19Directory(t *testing.T) {
	child := NewDir(0)
	result := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			var dir Inode
			dir.Put("a", child)
		}
	})
	if got := result.AllocedBytesPerOp(); got > 100 {
		t.Errorf("%d bytes for the entries of a directory, want at most 100", got)
	}
}
