package cmd

import (
	"testing"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/faultproxy"
	"cfs/cmd/internal/registrytest"
)

// TestFetchTogether lets several fetch one image into one spool at once: each gets all
// of its records, and each blob comes once.
func TestFetchTogether(t *testing.T) {
	t.Parallel()
	f := newFetching(t, registrytest.DebianOpen(t), 900_000, 600_000, 700_000)
	const fetches = 4
	f.proxy.Blobs = func(e *faultproxy.Exchange) {
		eventually(t, "all fetch", func() bool { return f.proxy.ManifestRequests() >= fetches })
		faultproxy.Pass(e)
	}
	results := make(chan result, fetches)
	for range fetches {
		go func() { results <- f.run(f.code) }()
	}
	first := ""
	for range fetches {
		r := <-results
		if r.Status != 0 {
			t.Fatalf("exit status %d\n%s%s", r.Status, r.Stdout, r.Stderr)
		}
		f.wantRecords(r.Stdout)
		if first == "" {
			first = sortedLines(whole(r.Stdout))
		} else if got := sortedLines(whole(r.Stdout)); got != first {
			t.Errorf("one printed\n%s\nanother\n%s", first, got)
		}
	}
	f.wantSpool()
	for _, l := range f.layers() {
		if got := f.proxy.Of(l.Digest.String()); got.Delivered != l.Size {
			t.Errorf("%s of %d bytes: %+v", l.Digest, l.Size, got)
		}
	}
}

// TestFetchTogetherKilled kills one of two that fetch the same, the one that fetches or
// the one that waits for it: the other one ends well.
func TestFetchTogetherKilled(t *testing.T) {
	t.Parallel()
	for victim, requests := range map[string]int{"the fetching one": 2, "the waiting one": 1} {
		t.Run(victim, func(t *testing.T) {
			t.Parallel()
			f := newFetching(t, registrytest.DebianOpen(t), 2_000_000)
			fetching, waiting := f.command("exec "+f.code), f.command("exec "+f.code)
			killed, other := fetching, waiting
			if requests == 1 {
				killed, other = waiting, fetching
			}
			asked := make(chan struct{})
			f.proxy.Blobs = faultproxy.To(f.layers()[0].Digest.String(), faultproxy.Once(func(e *faultproxy.Exchange) {
				close(asked)
				eventually(t, "the other one fetches", func() bool { return f.proxy.ManifestRequests() == 2 })
				faultproxy.AtByte(1_000_000, func() { killed.Process.Kill() })(e)
			}))
			results := make(chan result, 1)
			go func() {
				r := cmdtest.Run(t, fetching)
				if other == fetching {
					results <- r
				}
			}()
			<-asked
			if r := cmdtest.Run(t, waiting); other == waiting {
				results <- r
			}
			r := <-results
			if r.Status != 0 {
				t.Fatalf("exit status %d\n%s%s", r.Status, r.Stdout, r.Stderr)
			}
			f.wantRecords(r.Stdout)
			f.wantSpool()
			if got := f.proxy.Of(f.layers()[0].Digest.String()); got.Requests != requests {
				t.Errorf("%+v: want %d requests", got, requests)
			}
		})
	}
}
