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
		sync:  func() error { return j.step("sync") },
		name:  func(stream string, _ verity.ID) error { return j.step("name " + key(stream)) },
		found: func() { j.step("found") },
		lease: func(m digest.Digest, stream string) error {
			return j.step(fmt.Sprintf("lease %s for %s", key(stream), m))
		},
		syncNames: func() error { return j.step("sync names") },
		say:       func(s stored) error { return j.step("say " + s.DiffID.String()) },
	}}
}

func key(stream string) string { return strings.TrimPrefix(stream, oci.LayerName("")) }

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
		{[]stored{layerOf("a", "m", true)}, "sync, name a, lease a for m, sync names, say a"},
		// A pull that was killed may have made the name, and not flushed it.
		{[]stored{layerOf("a", "m", false)}, "found, lease a for m, sync names, say a"},
		{[]stored{layerOf("a", "", false)}, "found, sync names, say a"},
		{[]stored{layerOf("a", "m", true), layerOf("b", "m", false), layerOf("c", "n", true), layerOf("d", "", true)},
			"sync, name a, lease a for m, found, lease b for m, name c, lease c for n, name d, " +
				"sync names, say a, say b, say c, say d"},
		{[]stored{layerOf("a", "", false), layerOf("b", "", true)}, "sync, found, name b, sync names, say a, say b"},
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
			if step == "found" {
				continue // cannot
			}
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
	j.atAll = func(step string) {
		if step == "say a" {
			k.add(layerOf("b", "", true)) // does not wait for the flush
			k.add(layerOf("c", "", true))
		}
	}
	k.add(layerOf("a", "", true))
	for range 3 { // the last one has nothing to do
		if err := k.flush(t.Context()); err != nil {
			t.Error(err)
		}
	}
	j.want(t, "sync, name a, sync names, say a, sync, name b, name c, sync names, say b, say c")
}

func (j *journal) want(t *testing.T, want string) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	if got := strings.Join(j.steps, ", "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	j.steps = nil
}

// TestCommitEnds: once something has failed, nothing is named any more, though it waits.
func TestCommitEnds(t *testing.T) {
	var j journal
	k := j.committer()
	ctx, cancel := context.WithCancel(t.Context())
	k.add(layerOf("a", "", true))
	cancel()
	if err := k.flush(ctx); err != nil {
		t.Error(err)
	}
	j.want(t, "")
}

// TestCommitAfterFailure: a failed commit does not keep the next one out.
func TestCommitAfterFailure(t *testing.T) {
	j := journal{fails: "name a"}
	k := j.committer()
	for range 2 {
		k.add(layerOf("a", "", true))
		if err := k.flush(t.Context()); !errors.Is(err, errStep) {
			t.Error(err)
		}
	}
}
