package gc_test

import (
	"strings"
	"testing"

	"cfs/lib/gc"
)

// TestResult: lines about nothing are left out, but for the first.
func TestResult(t *testing.T) {
	for want, r := range map[string]gc.Result{
		"Objects: 0 removed (0 bytes)\n":                                                             {},
		"Objects: 2 removed (5000 bytes)\nPruned symlinks: 0 images, 3 streams\n":                    {Objects: 2, Bytes: 5000, Streams: 3},
		"Objects: 1 removed (9 bytes)\nPruned symlinks: 1 images, 0 streams\nLeftovers: 4 removed\n": {Objects: 1, Bytes: 9, Images: 1, Leftovers: 4},
	} {
		var got strings.Builder
		if err := r.WriteText(&got); err != nil || got.String() != want {
			t.Errorf("%q, want %q, error %v", got.String(), want, err)
		}
	}
}
