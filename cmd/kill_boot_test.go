package cmd

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/trap"
)

// TestKillBootPull kills a pull of the second image, before a system call by which it
// changes something. The first one stays as it is, and what was stored of the second one
// makes no difference to the next pull of it, nor to its end.
func TestKillBootPull(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	for _, b := range bootPulls {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			p := undisturbed(t, imagetest.BootableLayers(t, 2, ""), b.options)
			template := b.bothPulled(t)
			must(t, template, "cfs-link untag v2 && cfs-gc")
			first := b.images(t, template, "v1")
			calls := p.countCalls(t, copyOf(t, template), trap.Any)
			for i, n := range cmdtest.Sample(calls, 5) {
				t.Run(fmt.Sprint(n), func(t *testing.T) {
					t.Parallel()
					repo := copyOf(t, template)
					p.killCall(t, repo, n)
					b.recovers(t, p, repo, i, first)
				})
			}
		})
	}
}

// recovers checks that a repository, in which a pull of the second image was killed, has
// the first one as it was, that the pull can be done again, and that each image then
// goes without a trace.
func (b bootPull) recovers(t *testing.T, p pulled, repo string, how int, first map[string]string) {
	t.Helper()
	p.sound(t, repo)
	if how%3 > 0 {
		collect(t, repo, how%3 == 1)
		p.sound(t, repo)
	}
	if diff := cmp.Diff(first, b.images(t, repo, "v1")); diff != "" {
		t.Errorf("v1 has changed (-before +after):\n%s", diff)
	}
	if got := must(t, repo, p.code); got != p.records {
		t.Errorf("pulled again, it prints\n%s\nwant\n%s", got, p.records)
	}
	must(t, repo, "cfs-gc")
	if got := countAll(t, repo); got != b.both {
		t.Errorf("there are %+v, want %+v", got, b.both)
	}
	must(t, repo, "cfs-link untag v1 && cfs-gc")
	p.sound(t, repo)
	wantNothing(t, repo)
}
