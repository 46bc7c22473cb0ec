package gc_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"cfs/lib/internal/repotest"
	"cfs/lib/repo"
	"cfs/lib/verity"
)

// TestLaw: whatever images were pulled, and share layers or files, when some of them are
// untagged and the rest collected, the repository is as if only the others had ever been
// pulled.
func TestLaw(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			testLaw(t, rand.New(rand.NewPCG(seed, 1)))
		})
	}
}

func testLaw(t *testing.T, random *rand.Rand) {
	images := make([][]int, 5) // which layers each has
	var kept []int
	for i := range images {
		images[i] = random.Perm(4)[:1+random.IntN(3)]
		if random.IntN(2) == 0 {
			kept = append(kept, i)
		}
	}
	all, wanted := repotest.New(t, verity.SHA256), repotest.New(t, verity.SHA256)
	for i := range images {
		pull(t, all, i, images[i])
	}
	for _, i := range kept {
		pull(t, wanted, i, images[i])
	}
	for i := range images {
		if !slices.Contains(kept, i) {
			untag(t, all, tagOf(i))
		}
	}
	c := collector(t, all)
	c.AllowEmpty = true
	collect(t, c)
	repotest.WantList(t, all, repotest.List(t, wanted))
	if t.Failed() {
		t.Logf("images %v, kept %v", images, kept)
	}
}

func tagOf(image int) string { return fmt.Sprintf("tag-%d", image) }

// pull pulls an image of layers, of which each has two files that it shares with the next.
func pull(t *testing.T, r *repo.Repo, image int, layers []int) {
	t.Helper()
	i := repotest.Image{Note: tagOf(image)}
	for _, n := range layers {
		var members []repotest.Member
		for file := n; file < n+3; file++ {
			members = append(members, repotest.File(fmt.Sprintf("usr/%d/%d", n, file), repotest.Text(fmt.Sprint("file ", file), 200)))
		}
		i.Layers = append(i.Layers, repotest.AddLayer(t, r, members...))
	}
	repotest.Pull(t, r, tagOf(image), i)
}
