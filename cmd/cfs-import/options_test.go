package main

import (
	"runtime"
	"testing"
)

// TestLayersAtOnce: the memory of layers that are imported at once must not grow with the
// number of CPUs.
func TestLayersAtOnce(t *testing.T) {
	for jobs, want := range map[int]int{0: min(runtime.NumCPU(), 4), 1: 1, 64: 64} {
		o := options{jobs: jobs}
		if got, err := o.layersAtOnce(); got != want || err != nil {
			t.Errorf("--jobs %d: %d, %v, want %d", jobs, got, err, want)
		}
	}
	if _, err := (&options{jobs: -1}).layersAtOnce(); err == nil {
		t.Error("--jobs -1 was accepted")
	}
}
