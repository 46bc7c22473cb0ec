package chunked

import (
	"cmp"
	"slices"

	"cfs/lib/blob"
)

// Plan returns which parts of a blob to ask for, each by one request, so that all of wanted comes:
// the cheapest ones, when a request costs as much as so many bytes, but at most so many requests,
// at least one. wanted may have any order, and parts that overlap. What is returned is sorted, and nothing of it touches.
func Plan(wanted []blob.Span, cost int64, requests int) []blob.Span {
	spans := slices.SortedFunc(slices.Values(wanted), func(a, b blob.Span) int { return cmp.Compare(a.Start, b.Start) })
	spans = join(spans, func(gap int64) bool { return gap <= cost })
	if len(spans) <= requests {
		return spans
	}
	// The smallest gaps go, of equal ones the first.
	gaps := make([]int64, 0, len(spans)-1)
	for i := 1; i < len(spans); i++ {
		gaps = append(gaps, spans[i].Start-spans[i-1].End)
	}
	slices.Sort(gaps)
	most := gaps[len(spans)-requests-1]
	equal := 0 // of the gaps of that size, how many go
	for _, g := range gaps[:len(spans)-requests] {
		if g == most {
			equal++
		}
	}
	return join(spans, func(gap int64) bool {
		if gap == most {
			equal--
			return equal >= 0
		}
		return gap < most
	})
}

// join joins neighbours between which there is a gap that goes. Those that touch are one.
func join(sorted []blob.Span, goes func(gap int64) bool) (spans []blob.Span) {
	for _, s := range sorted {
		if n := len(spans); n > 0 && (s.Start <= spans[n-1].End || goes(s.Start-spans[n-1].End)) {
			spans[n-1].End = max(spans[n-1].End, s.End)
			continue
		}
		spans = append(spans, s)
	}
	return spans
}

// Total returns how many bytes some parts have together, which do not overlap.
func Total(spans []blob.Span) (n int64) {
	for _, s := range spans {
		n += s.Len()
	}
	return n
}
