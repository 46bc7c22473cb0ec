package cmd

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/registrytest"
	"cfs/cmd/internal/trap"
)

// pulledFrom is undisturbed for an image in a registry. The word SPOOL of the command
// stands for where the spool is.
func pulledFrom(t *testing.T, r *registrytest.Registry, layers [][]byte) pulled {
	t.Helper()
	dir, base := t.TempDir(), cmdtest.Scratch(t)
	imagetest.Make(t, dir, layers...)
	r.Push(t, dir, "some/image:1")
	p := pulled{code: "cfs-pull --init --insecure --progress=none --tls-verify=false --spool=SPOOL " + r.Source("some/image:1") + " " + tagName}
	p = p.spooling(base)
	p.records = must(t, base+"/repo", p.code)
	p.shown = []string{must(t, base+"/repo", "cfs-link show "+tagName)}
	p.dump = must(t, base+"/repo", "cfs-mkerofs dump "+tagName)
	p.code = strings.Replace(p.code, base+"/spool", "SPOOL", 1)
	return p
}

// spooling is the same pull, with its spool beside the repository.
func (p pulled) spooling(base string) pulled {
	p.code = strings.Replace(p.code, "SPOOL", filepath.Join(base, "spool"), 1)
	return p
}

// TestPullKillAtEachCall kills a whole pull from a registry before a system call by
// which it changes something, each of them in a long test. The same command succeeds,
// and leaves nothing in the spool.
func TestPullKillAtEachCall(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	p := pulledFrom(t, registrytest.InProcess(t), imagetest.SmallLayers(t))
	eachCall(t, p, ofFetch, trap.Kill)
}

// TestPullFullAtEachCall fails such a call as a full disk does.
func TestPullFullAtEachCall(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	p := pulledFrom(t, registrytest.InProcess(t), imagetest.SmallLayers(t))
	eachCall(t, p, func(c trap.Call) bool { return ofFetch(c) && trap.Changes(c) }, trap.Fail(unix.ENOSPC))
}

var ofFetch = trap.Of("cfs-fetch")

// eachCall disturbs pulls at the calls that are such.
func eachCall(t *testing.T, p pulled, such func(trap.Call) bool, disturb trap.Before) {
	t.Helper()
	base := cmdtest.Scratch(t)
	whole := p.spooling(base)
	calls := whole.countCalls(t, base+"/repo", such)
	if calls < 10 {
		t.Fatalf("cfs-fetch does only %d such calls", calls)
	}
	for i, n := range cmdtest.Sample(calls, 6) {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			base := cmdtest.Scratch(t)
			repo, p := base+"/repo", p.spooling(base)
			disturbed := false
			r := trapped(t, repo, p.code, trap.Only(such, trap.Nth(n, func(c trap.Call) error {
				disturbed = true
				return disturb(c)
			})))
			if disturbed && strings.Contains(r.Stderr, "no space left") {
				wantError(t, r, 1, "cfs-fetch: ")
			}
			p.recovers(t, repo, i)
			wantEmptySpool(t, base+"/spool")
		})
	}
}
