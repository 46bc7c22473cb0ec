package main

import (
	"math"
	"runtime"
	"strings"
	"testing"
)

// TestCompare: ratios are those of the pairs, and a limit is the larger of what cannot be divided and
// of all that can.
func TestCompare(t *testing.T) {
	r := result{Programs: []program{
		{Name: "cfs-pull", Kind: kindOurs, Peak: 50, Rounds: []usage{{Wall: 2, User: 1, Sys: 1}, {Wall: 4, User: 2}, {Wall: 3, User: 3}}},
		{Name: "cfsctl", Kind: kindOther, Peak: 100, Rounds: []usage{{Wall: 4, User: 2}, {Wall: 4, User: 4}, {Wall: 4, User: 2, Sys: 1}}},
		{Name: "alone", Kind: kindPart, Rounds: []usage{{Wall: 1}, {Wall: 2}, {Wall: 1.5}}},
		{Name: "hash", Kind: kindLimit, Rounds: []usage{{Wall: 9, User: 1}, {User: 1}, {User: 1}}},
	}}
	r.compare()
	q := r.Ratios[0]
	if len(r.Ratios) != 1 || q.Wall.Median != 0.75 || q.Wall.Least != 0.5 || q.Wall.Most != 1 || q.CPU.Median != 1 || q.Peak != 0.5 {
		t.Errorf("%+v", r.Ratios)
	}
	if want := 1 / float64(runtime.NumCPU()); math.Abs(r.Floor.Seconds-want) > 1e-9 {
		t.Errorf("%+v, want %v", r.Floor, want)
	}
	if r.Parts.Seconds != 1.5 || r.Parts.Near.Median != 2 {
		t.Errorf("%+v", r.Parts)
	}
	r.Programs = append(r.Programs, program{Name: "inflate", Kind: kindLimit, Largest: true, Rounds: []usage{{Wall: 2}, {Wall: 2}, {Wall: 2}}})
	r.Ratios = nil
	r.compare()
	if r.Floor.Seconds != 2 || r.Floor.By != "inflate" || r.Floor.Near.Median != 1.5 {
		t.Errorf("%+v", r.Floor)
	}
	if bare := (&result{Programs: r.Programs[:2]}); bare.limit() != nil || bare.parts() != nil {
		t.Error("a floor without limits")
	}
}

func TestMedian(t *testing.T) {
	if median([]float64{3, 1, 2}) != 2 || median([]float64{4, 1, 2, 3}) != 2.5 {
		t.Error(median([]float64{4, 1, 2, 3}))
	}
}

// TestGrowth: what a program takes to start is not in the cost of each entry more.
func TestGrowth(t *testing.T) {
	job := func(entries int, user float64, peak int64) result {
		return result{Growth: "gc", Entries: entries, Programs: []program{{Name: "cfs-gc", Kind: kindOurs, Peak: peak, Rounds: []usage{{User: user}}}}}
	}
	r := results{Jobs: []result{job(10, 1.0001, 1100), job(110, 1.0011, 2100)}}
	var out strings.Builder
	r.growth(&out)
	_, rows, _ := strings.Cut(out.String(), "|---|\n")
	want := "| gc | 10 | cfs-gc | 100010.00 | - | 110 | - |\n| gc | 110 | cfs-gc | 9100.91 | 10.00 | 19 | 10 |\n"
	if rows != want {
		t.Errorf("%s\nwant\n%s", rows, want)
	}
	out.Reset()
	if (&results{}).growth(&out); out.Len() > 0 {
		t.Errorf("a table of nothing: %s", &out)
	}
}
