package chunked

import (
	"math/rand/v2"
	"slices"
	"testing"

	"cfs/lib/blob"
)

// cheapest is the least that parts cost which have all of wanted, found by trying all.
func cheapest(wanted []blob.Span, cost int64, requests int) int64 {
	bytes := map[int64]bool{}
	var end int64
	for _, s := range wanted {
		for b := s.Start; b < s.End; b++ {
			bytes[b] = true
		}
		end = max(end, s.End)
	}
	// best[r] is the cheapest way to have all bytes up to here in r requests, open[r] with one
	// that goes on.
	const never = int64(1) << 40
	closed, open := make([]int64, requests+1), make([]int64, requests+1)
	for r := range open {
		open[r], closed[r] = never, never
	}
	closed[0] = 0
	for b := range end {
		for r := requests; r >= 0; r-- {
			on := open[r] + 1
			if r > 0 {
				on = min(on, min(closed[r-1], open[r-1])+1+cost)
			}
			off := min(closed[r], open[r])
			if bytes[b] {
				off = never
			}
			open[r], closed[r] = on, off
		}
	}
	return min(slices.Min(open), slices.Min(closed))
}

// check compares a plan with the model.
func check(t *testing.T, wanted []blob.Span, cost int64, requests int) {
	t.Helper()
	plan := Plan(wanted, cost, requests)
	for _, s := range wanted {
		if !slices.ContainsFunc(plan, func(p blob.Span) bool { return p.Start <= s.Start && s.End <= p.End }) {
			t.Errorf("%v, cost %d, %d requests: %v lacks %v", wanted, cost, requests, plan, s)
		}
	}
	for i := 1; i < len(plan); i++ {
		if plan[i].Start <= plan[i-1].End {
			t.Errorf("%v: %v touches or is not sorted", wanted, plan)
		}
	}
	if len(plan) > requests {
		t.Errorf("%d requests, want at most %d", len(plan), requests)
	}
	got := Total(plan) + int64(len(plan))*cost
	if want := cheapest(wanted, cost, requests); got != want {
		t.Errorf("%v, cost %d, %d requests: %v costs %d, want %d", wanted, cost, requests, plan, got, want)
	}
}

// TestPlan: a plan has all that is wanted, and is as cheap as one can be.
func TestPlan(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var wanted []blob.Span
		for range r.IntN(8) {
			start := r.Int64N(60)
			wanted = append(wanted, blob.Span{Start: start, End: start + 1 + r.Int64N(6)})
		}
		check(t, wanted, r.Int64N(8), 1+r.IntN(5))
	}
}

func FuzzPlan(f *testing.F) {
	f.Add([]byte{1, 2, 9, 1, 30, 4}, uint8(3), uint8(2))
	f.Fuzz(func(t *testing.T, bytes []byte, cost, requests uint8) {
		var wanted []blob.Span
		for pair := range slices.Chunk(bytes[:min(len(bytes), 32)&^1], 2) {
			wanted = append(wanted, blob.Span{Start: int64(pair[0]), End: int64(pair[0]) + int64(pair[1])%32 + 1})
		}
		check(t, wanted, int64(cost), int(requests)%16+1)
	})
}
