package cmd

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"

	"github.com/google/go-cmp/cmp"
)

// someImages makes layouts of images that share layers and files, and of artifacts
// that share their config, and returns their sources.
func someImages(t *testing.T, r *rand.Rand) (sources []string) {
	t.Helper()
	var pool [][]byte
	for i := range 5 {
		members := []member{dir("usr", 0o755).At(int64(i), 0)}
		for j := range 1 + r.IntN(4) {
			members = append(members, file(fmt.Sprintf("usr/%d", j), imagetest.Text(uint64(r.IntN(6)), 50+20*r.IntN(3))))
		}
		pool = append(pool, imagetest.Tar(t, members...))
	}
	for range 5 {
		var layers [][]byte
		for range r.IntN(4) {
			layers = append(layers, pool[r.IntN(len(pool))])
		}
		layout := t.TempDir()
		imagetest.Make(t, layout, layers...)
		sources = append(sources, "oci:"+layout)
	}
	for i := range 3 {
		layout := t.TempDir()
		imagetest.MakeArtifact(t, layout, imagetest.Text(uint64(i), 70))
		sources = append(sources, "oci:"+layout)
	}
	return sources
}

// pullAll pulls sources in one pipe, and tags each as it is called.
func pullAll(t *testing.T, repo string, sources []string) {
	t.Helper()
	fetch := "cfs-fetch " + strings.Join(sources, "; cfs-fetch ")
	must(t, repo, "("+fetch+") | cfs-import --init --insecure --progress none | cfs-mkerofs | cfs-link")
}

// contents lists what a repository has, but for folders, which are never removed.
func contents(t *testing.T, repo string) []string {
	t.Helper()
	lines := strings.Split(list(t, repo), "\n")
	return slices.DeleteFunc(lines, func(s string) bool { return strings.HasPrefix(s, "d ") })
}

// TestCollectionLaw: to pull images, untag some of them and collect is to pull the
// others alone: what a removed image alone had goes, and nothing of what another needs.
// The order in which they are pulled does not matter.
func TestCollectionLaw(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 2))
			sources := someImages(t, r)
			base := cmdtest.Scratch(t)
			all, alone := filepath.Join(base, "all"), filepath.Join(base, "alone")
			pullAll(t, all, sources)
			kept := slices.Clone(sources)
			r.Shuffle(len(kept), func(i, j int) { kept[i], kept[j] = kept[j], kept[i] })
			gone := kept[:1+r.IntN(len(kept)-1)]
			kept = kept[len(gone):]
			pullAll(t, alone, kept)
			dumps := dumpAll(t, alone, kept)

			must(t, all, "cfs-link untag "+strings.Join(gone, " && cfs-link untag "))
			dry := must(t, all, "cfs-gc -n")
			if got := must(t, all, "cfs-gc"); "Dry run (no files deleted):\n"+got != dry {
				t.Errorf("a dry run said\n%sthe real one\n%s", dry, got)
			}
			if diff := cmp.Diff(contents(t, alone), contents(t, all)); diff != "" {
				t.Errorf("pulled %v\ncollected %v\n(-pulled alone +left over):\n%s", sources, gone, diff)
			}
			must(t, all, "cfs-gc check --content")
			if got := dumpAll(t, all, kept); got != dumps {
				t.Errorf("images changed:\n%s", cmp.Diff(dumps, got))
			}
			if got := must(t, all, "cfs-gc"); got != "Objects: 0 removed (0 bytes)\n" {
				t.Errorf("a second collection: %s", got)
			}

			must(t, all, "cfs-link untag "+strings.Join(kept, " && cfs-link untag ")+" && cfs-gc --allow-empty")
			if left := contents(t, all); len(left) != 2 || !strings.HasSuffix(left[0], "meta.json") {
				t.Errorf("left of nothing: %q", left)
			}
		})
	}
}

// dumpAll returns the dumpfiles of all images that have one.
func dumpAll(t *testing.T, repo string, tags []string) string {
	t.Helper()
	var b strings.Builder
	for _, tag := range slices.Sorted(slices.Values(tags)) {
		r := shell(t, repo, "cfs-mkerofs dump "+tag)
		if r.Status != 0 && r.Status != 3 {
			t.Errorf("dump: %s", r.Stderr)
		}
		b.WriteString(r.Stdout)
	}
	return b.String()
}

// TestSameBytes: nothing that is stored depends on the number of CPUs, the clock, the
// umask, or whether the records are text or JSON.
func TestSameBytes(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	base, layout := cmdtest.Scratch(t), t.TempDir()
	imagetest.Make(t, layout, imagetest.ManyFiles(t)...)
	var want []string
	for i, env := range []string{"", "GOMAXPROCS=1 TZ=Asia/Tokyo", "GOMAXPROCS=7 LC_ALL=tr_TR.UTF-8"} {
		repo := filepath.Join(base, fmt.Sprint(i))
		must(t, repo, fmt.Sprintf("umask %03o; export %s _=; cfs-pull --init --insecure --progress none oci:%s t", i*022, env, layout))
		got := contents(t, repo)
		if i == 0 {
			want = got
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("with %q (-before +after):\n%s", env, diff)
		}
	}
	repo := filepath.Join(base, "json")
	must(t, repo, "cfs-fetch --json oci:"+layout+" | cfs-import --json --init --insecure --progress none | cfs-mkerofs --json | cfs-link --json --tag t")
	if diff := cmp.Diff(want, contents(t, repo)); diff != "" {
		t.Errorf("with JSON (-before +after):\n%s", diff)
	}
	if _, err := os.Stat(filepath.Join(repo, "streams/refs/oci/t")); err != nil {
		t.Error(err)
	}
}
