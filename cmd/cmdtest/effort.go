package cmdtest

import (
	"os"
	"testing"
)

// soakEnv is what scripts/soak sets.
const soakEnv = "CFS_SOAK"

// Long reports whether this is a test that may take as long as it needs, and so tries all
// that there is to try.
func Long() bool { return os.Getenv(soakEnv) != "" }

// Soak returns many in a long test, and few in one for which people and CI wait. Few must
// choose the same cases each time, and many must hold them.
func Soak(few, many int) int {
	if Long() {
		return many
	}
	return few
}

// Sample returns which of the cases 1 to n are tried: all in a long test, else few, the
// first and the last among them, as far from each other as may be.
func Sample(n, few int) (list []int) {
	if few = min(Soak(few, n), n); few < 2 {
		return []int{1}[:few]
	}
	for i := range few {
		list = append(list, 1+i*(n-1)/(few-1))
	}
	return list
}

// Slow skips a test under go test -short: one that takes more than a second or two, that
// needs root, or that needs more of the network than loopback.
func Slow(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIPPED: -short")
	}
}

// Scratch returns a folder for the repositories of a test, in memory where there is
// some: the tools flush what they write, and on a disk most of the time would go there.
func Scratch(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "cfs-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
