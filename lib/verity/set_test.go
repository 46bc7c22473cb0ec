package verity

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestSet compares a Set with a map, while digests come again and again.
func TestSet(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	want := map[ID]bool{}
	var s Set
	for i := range 20_000 {
		a := SHA256
		if rnd.IntN(2) == 0 {
			a = SHA512
		}
		n := rnd.IntN(4000)
		id := a.Sum([]byte{byte(n), byte(n >> 8)})
		if i%3 == 0 && s.Has(id) != want[id] {
			t.Fatalf("Has(%s) is not %v", id, want[id])
		}
		s.Add(id, id)
		want[id] = true
	}
	if s.Len() != len(want) {
		t.Errorf("%d digests, want %d", s.Len(), len(want))
	}
	sorted := slices.SortedFunc(maps.Keys(want), func(a, b ID) int {
		if d := int(a.sum[0]) - int(b.sum[0]); d != 0 {
			return d
		}
		return a.Compare(b)
	})
	if got := slices.Collect(s.All()); !slices.Equal(got, sorted) {
		t.Errorf("All yields others: %d, want %d", len(got), len(sorted))
	}
	if s.Has(SHA256.Sum([]byte("none"))) {
		t.Error("has what was not added")
	}
	for i := range s.parts {
		if p := &s.parts[i]; cap(p.ids) > 8*p.sorted+128 {
			t.Errorf("room for %d of %d", cap(p.ids), p.sorted)
		}
	}
}
