package cmd

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/faultproxy"
	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/registrytest"

	"golang.org/x/sync/errgroup"
)

// storm is the faults of one run. What happens to which request for a blob depends on
// the seed alone, not on the order in which blobs are fetched.
type storm struct {
	seed uint64
	lies bool // not only cuts and kills
}

// worst is how many requests for a blob may go wrong, one after the other, in a storm.
const worst = 4

// random returns numbers that depend on the seed and on what they are for.
func (s storm) random(blob string, nth int) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(blob))
	h.Write(binary.LittleEndian.AppendUint64(nil, uint64(nth)))
	return rand.New(rand.NewPCG(s.seed, h.Sum64()))
}

// fault is that of the proxy.
func (s storm) fault(e *faultproxy.Exchange) {
	r := s.random(e.Blob, e.Nth)
	if e.Nth >= worst || r.IntN(3) == 0 {
		faultproxy.Pass(e)
		return
	}
	at := r.Int64N(1_500_000)
	kinds := []faultproxy.Fault{faultproxy.Breaks(faultproxy.Cut, at), faultproxy.Breaks(faultproxy.Reset, at)}
	if s.lies {
		kinds = append(kinds,
			faultproxy.Truncates(at), faultproxy.Flips(at), faultproxy.IgnoresRange, faultproxy.WrongOffset(1+at%1000, false), faultproxy.WrongOffset(1+at%1000, true),
			faultproxy.Says(http.StatusTooManyRequests, "Retry-After", "0"), faultproxy.Says(http.StatusServiceUnavailable),
			faultproxy.Says(http.StatusInternalServerError), faultproxy.Says(http.StatusRequestedRangeNotSatisfiable))
	}
	kinds[r.IntN(len(kinds))](e)
}

// TestFetchStorm fetches an image again and again, through a proxy that breaks answers
// at random points, with kills among them. Each run ends with the same records, spool
// and tag, after failures that have an exit status for what is to be tried again; and no more
// bytes come than must.
func TestFetchStorm(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	r := registrytest.DebianOpen(t)
	layout := randomImage(t, 7, 1_000_000, 1_600_000, 1_100_000, 2_500_000, 1_200_000)
	r.Push(t, layout, "some/image:1")
	want := fetchingOf(t, r, layout, "some/image:1").outcome()
	want.shown = pullWhole(t, r)
	var all errgroup.Group
	all.SetLimit(16) // most of the time they wait
	for n := range cmdtest.Soak(16, 1000) {
		all.Go(func() error {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				s := storm{seed: uint64(n), lies: n%2 == 1}
				f := fetchingOf(t, r, layout, "some/image:1")
				f.proxy.Blobs = s.fault
				f.weather(s)
				f.proxy.Blobs = faultproxy.Pass
				f.wantOutcome(want, n%10 < 2)
				if t.Failed() {
					t.Logf("the storm was %+v", s)
				}
			})
			return nil
		})
	}
	all.Wait() // no error comes
}

// weather runs the command until it succeeds, with kills.
func (f *fetching) weather(s storm) {
	f.t.Helper()
	random := s.random("kills", 0)
	kills, gaveUp := random.IntN(4), false
	for range 20 {
		after := int64(math.MaxInt64)
		if kills > 0 {
			kills--
			after = 1 + random.Int64N(f.size()*2/3)
		}
		r := f.killedAfter(after, f.code)
		switch {
		case r.Status == 0:
			// Whoever gives up breaks off the other blobs, with what lies in buffers.
			if !gaveUp {
				f.wantDelivered()
			}
			return
		case r.Status == -1:
		case r.Status == 75 || r.Status == 4 && s.lies:
			gaveUp = s.lies
		default:
			f.t.Errorf("exit status %d\n%s%s", r.Status, r.Stdout, r.Stderr)
			return
		}
	}
	f.t.Error("it does not succeed")
}

// outcome is what stays of a fetch.
type outcome struct {
	records, shown string
	spool          map[string]string
}

// outcome runs the command once more, which must find all of it there.
func (f *fetching) outcome() outcome {
	f.t.Helper()
	r := f.succeeds()
	// Paths and where it came from are another user's, and another proxy's.
	records := strings.NewReplacer(f.dir, "HOME", f.proxy.Addr, "REGISTRY").Replace(whole(r.Stdout))
	return outcome{records: sortedLines(records), spool: files(f.t, f.dir+"/spool/blobs")}
}

// wantOutcome checks what stays, and with pull also what comes of it.
func (f *fetching) wantOutcome(want outcome, pull bool) {
	f.t.Helper()
	got := f.outcome()
	if got.records != want.records {
		f.t.Errorf("records\n%s\nwant\n%s", got.records, want.records)
	}
	if len(got.spool) != len(want.spool) {
		f.t.Errorf("the spool has %d blobs, want %d", len(got.spool), len(want.spool))
	}
	if !pull {
		return
	}
	before := f.proxy.Total()
	f.must(strings.Replace(f.code, "cfs-fetch", "cfs-pull --init --insecure", 1) + " " + tagName)
	if shown := f.must("cfs-link show " + tagName); withoutSource(shown) != want.shown {
		f.t.Errorf("the tag shows\n%s\nwant\n%s", shown, want.shown)
	}
	if after := f.proxy.Total(); after.Delivered > before.Delivered+imagetest.Manifest(f.t, f.layout).Config.Size {
		f.t.Errorf("%d bytes came though all was in the spool", after.Delivered-before.Delivered)
	}
	f.wantEmptySpool()
}

// pullWhole returns what a tag shows after an undisturbed pull.
func pullWhole(t *testing.T, r *registrytest.Registry) string {
	t.Helper()
	h := newHome(t)
	h.must("cfs-pull --init --insecure --progress=none --tls-verify=false --spool=$HOME/spool " + r.Source("some/image:1") + " " + tagName)
	return withoutSource(h.must("cfs-link show " + tagName))
}

// withoutSource leaves out where an image came from.
func withoutSource(records string) string {
	var lines []string
	for line := range strings.Lines(records) {
		words := slices.DeleteFunc(strings.Fields(line), func(s string) bool { return strings.HasPrefix(s, "source=") })
		lines = append(lines, strings.Join(words, " "))
	}
	return strings.Join(lines, "\n")
}

// wantEmptySpool checks that no blob, nor a part of one, is left.
func (f *fetching) wantEmptySpool() { wantEmptySpool(f.t, filepath.Join(f.dir, "spool")) }

func wantEmptySpool(t testing.TB, dir string) {
	t.Helper()
	for name := range files(t, dir) {
		st, err := os.Stat(filepath.Join(dir, name))
		if err == nil && st.Size() > 0 && !slices.Contains([]string{"/oci-layout", "/index.json"}, name) {
			t.Errorf("%s is left in the spool", name)
		}
	}
}
