// Package cputime measures benchmarks by their CPU time: on a machine that is busy with other
// work, wall time means nothing.
package cputime

import (
	"testing"

	"golang.org/x/sys/unix"
)

// Start begins to measure a benchmark, after its preparations. Stop, at its end, adds user
// and system time for each iteration to what it reports, and if an iteration handles some
// bytes, how many megabytes that are in a second of user time.
func Start(b *testing.B, bytes int64) (stop func()) {
	b.ReportAllocs()
	if bytes > 0 {
		b.SetBytes(bytes)
	}
	user, system := used(b)
	return func() {
		u, s := used(b)
		u, s = u-user, s-system
		b.ReportMetric(u/float64(b.N), "user-ns/op")
		b.ReportMetric(s/float64(b.N), "sys-ns/op")
		if bytes > 0 && u > 0 {
			b.ReportMetric(float64(bytes)*float64(b.N)*1e3/u, "user-MB/s")
		}
	}
}

// used returns the CPU time of this process in nanoseconds.
func used(b *testing.B) (user, system float64) {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return float64(r.Utime.Nano()), float64(r.Stime.Nano())
}
