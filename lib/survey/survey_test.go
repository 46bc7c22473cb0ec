package survey_test

import (
	"strings"
	"testing"
	"time"

	"cfs/lib/corrupt"
	"cfs/lib/internal/repotest"
	"cfs/lib/mount"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/survey"
	"cfs/lib/verity"
)

func TestAge(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for created, want := range map[string]string{
		"": "-", "yesterday": "-", "2026-11-26T12:00:01Z": "-", "2026-11-26T12:00:00Z": "0s", "2026-11-26T11:58:01Z": "119s",
		"2026-11-26T11:58:00Z": "2m", "2026-11-26T13:00:00.5+03:00": "119m", "2026-11-26T10:00:00Z": "2h", "2026-11-24T12:00:00Z": "2d",
		"2026-11-13T12:00:00Z": "13d", "2026-11-12T12:00:00Z": "2w", "2024-11-27T12:00:00Z": "104w", "2024-11-26T12:00:00Z": "2y", "1970-01-01T00:00:00Z": "56y",
	} {
		if got := survey.Age(created, now); got != want {
			t.Errorf("%q: %s, want %s", created, got, want)
		}
	}
}

func TestShortDigest(t *testing.T) {
	hex := strings.Repeat("0123456789abcdef", 4)
	for d, want := range map[string]string{"sha256:" + hex: hex[:12], hex: hex[:12], "-": "-", "artifact": "artifact", "a:b": "a:b"} {
		if got := survey.ShortDigest(d); got != want {
			t.Errorf("%q: %q, want %q", d, got, want)
		}
	}
}

// TestCosts: what all roots keep together is each object once: what each keeps alone, and
// what several keep. Two roots of the same keep nothing alone.
func TestCosts(t *testing.T) {
	repotest.EachAlgorithm(t, func(t *testing.T, a verity.Algorithm) {
		r := repotest.New(t, a)
		base := repotest.AddLayer(t, r, repotest.Dir("usr"), repotest.File("usr/base", repotest.Text("base", 1000)))
		one := repotest.AddLayer(t, r, repotest.File("usr/one", repotest.Text("one", 500)), repotest.File("usr/also", repotest.Text("base", 1000)))
		repotest.Pull(t, r, "base", repotest.Image{Layers: []repotest.Layer{base}})
		image := repotest.Pull(t, r, "one", repotest.Image{Layers: []repotest.Layer{base, one}})
		roots := rootsOf(t, r)
		if len(roots) != 2 || roots[0].Name != "base" || roots[1].Name != "one" {
			t.Fatalf("roots: %+v", roots)
		}
		costs := survey.Costs(r, roots)
		var all int64
		for id, err := range r.Objects.List() {
			if err != nil {
				t.Fatal(err)
			}
			size, err := r.Objects.Size(id)
			if err != nil {
				t.Fatal(err)
			}
			all += size
		}
		shared := costs[0].Bytes - costs[0].Unique
		if costs[0].Err != nil || costs[1].Err != nil || shared != costs[1].Bytes-costs[1].Unique || costs[0].Unique+costs[1].Unique+shared != all {
			t.Errorf("%+v, want %d bytes together", costs, all)
		}
		if shared < 1000 || costs[1].Unique < 500 || costs[0].Unique >= costs[0].Bytes {
			t.Errorf("%+v", costs)
		}
		if err := oci.SetTag(r, "again", image.Manifest.Digest); err != nil {
			t.Fatal(err)
		}
		costs = survey.Costs(r, rootsOf(t, r))
		if costs[0].Unique != 0 || costs[2].Unique != 0 || costs[0].Bytes != costs[2].Bytes {
			t.Errorf("two tags of one image: %+v", costs)
		}
	})
}

func rootsOf(t *testing.T, r *repo.Repo) []survey.Root {
	t.Helper()
	roots, err := survey.Roots(r, &mount.Mounts{}, func(err error) { t.Errorf("warning: %v", err) })
	if err != nil {
		t.Fatal(err)
	}
	return roots
}

// TestCostsDamaged: of what needs a stream that is damaged no size is known; what is missing
// has none, and what leads nowhere keeps nothing.
func TestCostsDamaged(t *testing.T) {
	r := repotest.New(t, verity.SHA512)
	layer := repotest.AddLayer(t, r, repotest.Dir("usr"), repotest.File("usr/a", repotest.Text("a", 500)))
	image := repotest.Pull(t, r, "a", repotest.Image{Layers: []repotest.Layer{layer}})
	repotest.Pull(t, r, "b", repotest.Image{Layers: []repotest.Layer{repotest.AddLayer(t, r, repotest.File("b", "b"))}})
	before := survey.Costs(r, rootsOf(t, r))
	repotest.Lose(t, r, r.Algorithm.Sum([]byte(repotest.Text("a", 500))))
	after := survey.Costs(r, rootsOf(t, r))
	if after[0].Err != nil || after[0].Bytes != before[0].Bytes-500 || after[1] != before[1] {
		t.Errorf("%+v, before a file was lost %+v", after, before)
	}
	repotest.Flip(t, r, layer.Stream, 0)
	after = survey.Costs(r, rootsOf(t, r))
	if !corrupt.Is(after[0].Err) || after[1] != before[1] {
		t.Errorf("%+v, before a stream was damaged %+v", after, before)
	}
	repotest.Lose(t, r, image.Manifest.ID)
	if after = survey.Costs(r, rootsOf(t, r)); after[0] != (survey.Cost{}) {
		t.Errorf("%+v without the manifest", after[0])
	}
}

// TestRootsUnread: what cannot be listed makes the list incomplete, and does not hide the rest.
func TestRootsUnread(t *testing.T) {
	r := repotest.New(t, verity.SHA512)
	repotest.Pull(t, r, "a", repotest.Image{Layers: []repotest.Layer{repotest.AddLayer(t, r, repotest.File("a", "a"))}})
	if err := r.SetRef(repo.Images, "folder/ref", "x"); err != nil {
		t.Fatal(err)
	}
	repotest.Deny(t, r, "images/refs/folder", func() {
		roots, err := survey.Roots(r, &mount.Mounts{}, func(error) {})
		if err == nil || len(roots) != 1 || roots[0].Kind != survey.KindTag {
			t.Errorf("%+v, %v", roots, err)
		}
	})
}
