package pull

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"cfs/lib/oci"
	"cfs/lib/verity"
)

// journal is a repository that only writes down what is done to it, in order.
type journal struct {
	mu    sync.Mutex
	steps []string
	fails string       // the step that fails
	atAll func(string) // is called with each step, if it is set
}

var errStep = errors.New("that step fails")

func (j *journal) step(name string) error {
	j.mu.Lock()
	j.steps = append(j.steps, name)
	j.mu.Unlock()
	if j.atAll != nil {
		j.atAll(name)
	}
	if name == j.fails {
		return errStep
	}
	return nil
}

func (j *journal) committer() *committer {
	return &committer{steps: steps{
		sync:       func() error { return j.step("sync") },
		name:       func(key oci.Key, _ verity.ID) error { return j.step("name " + key.String()) },
		lease:      func(m digest.Digest, key oci.Key) error { return j.step(fmt.Sprintf("lease %s for %s", key, m)) },
		syncLeases: func(m digest.Digest) error { return j.step("sync leases for " + m.String()) },
		syncNames:  func() error { return j.step("sync names") },
		say:        func(s stored) error { return j.step("say " + s.DiffID.String()) },
	}}
}

func layerOf(diffID, manifest digest.Digest, fresh bool) stored {
	return stored{Layer: Layer{DiffID: diffID, For: manifest}, fresh: fresh}
}

// TestCommitOrder: objects are durable before they have a name, names and leases before
// the record says so; of each kind there is one flush for a batch, if any is needed.
func TestCommitOrder(t *testing.T) {
	for _, v := range []struct {
		batch []stored
		want  string
	}{
		{[]stored{layerOf("a", "", true)}, "sync, name a, sync names, say a"},
		{[]stored{layerOf("a", "m", true)}, "sync, name a, lease a for m, sync leases for m, say a"},
		{[]stored{layerOf("a", "m", false)}, "lease a for m, sync leases for m, say a"},
		// A pull that was killed may have made the name, and not flushed it.
		{[]stored{layerOf("a", "", false)}, "sync names, say a"},
		{[]stored{layerOf("a", "m", true), layerOf("b", "m", false), layerOf("c", "n", true), layerOf("d", "", true)},
			"sync, name a, lease a for m, lease b for m, name c, lease c for n, name d, " +
				"sync leases for m, sync leases for n, say a, say b, say c, say d"},
		{[]stored{layerOf("a", "", false), layerOf("b", "", true)}, "sync, name b, sync names, say a, say b"},
	} {
		var j journal
		if err := j.committer().commit(v.batch); err != nil {
			t.Error(err)
		}
		if got := strings.Join(j.steps, ", "); got != v.want {
			t.Errorf("got  %s\nwant %s", got, v.want)
		}
	}
}

// TestCommitFails: nothing comes after a step that fails, and what is not durable is not
// said.
func TestCommitFails(t *testing.T) {
	for _, batch := range [][]stored{
		{layerOf("a", "m", true), layerOf("b", "n", true)},
		{layerOf("a", "", true), layerOf("b", "", false)},
	} {
		var whole journal
		if err := whole.committer().commit(batch); err != nil {
			t.Fatal(err)
		}
		for n, step := range whole.steps {
			j := journal{fails: step}
			if err := j.committer().commit(batch); !errors.Is(err, errStep) {
				t.Errorf("%s: %v", step, err)
			}
			if !slices.Equal(j.steps, whole.steps[:n+1]) {
				t.Errorf("when %q fails: %q", step, j.steps)
			}
		}
	}
}

// TestCommitShares: what gets ready during a flush shares the next one.
func TestCommitShares(t *testing.T) {
	var j journal
	k := j.committer()
	ready := []stored{layerOf("b", "", true), layerOf("c", "", true)}
	j.atAll = func(step string) {
		if step != "sync" {
			return
		}
		for _, s := range ready {
			if err := k.add(t.Context(), s); err != nil { // does not wait for the flush
				t.Error(err)
			}
		}
		ready = nil
	}
	if err := k.add(t.Context(), layerOf("a", "", true)); err != nil {
		t.Error(err)
	}
	want := "sync, name a, sync names, say a, sync, name b, name c, sync names, say b, say c"
	if got := strings.Join(j.steps, ", "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestCommitEnds: once something has failed, nothing is named any more.
func TestCommitEnds(t *testing.T) {
	var j journal
	k := j.committer()
	ctx, cancel := context.WithCancel(t.Context())
	j.atAll = func(step string) {
		if step == "say a" {
			cancel()
			if err := k.add(ctx, layerOf("b", "", true)); err != nil {
				t.Error(err)
			}
		}
	}
	if err := k.add(ctx, layerOf("a", "", true)); err != nil {
		t.Error(err)
	}
	if err := k.add(ctx, layerOf("c", "", true)); err != nil {
		t.Error(err)
	}
	if got := strings.Join(j.steps, ", "); got != "sync, name a, sync names, say a" {
		t.Errorf("got %s", got)
	}
}

// TestCommitAfterFailure: a failed commit does not leave the committer busy.
func TestCommitAfterFailure(t *testing.T) {
	j := journal{fails: "name a"}
	k := j.committer()
	for range 2 {
		if err := k.add(t.Context(), layerOf("a", "", true)); !errors.Is(err, errStep) {
			t.Error(err)
		}
	}
}
