package cmd

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/registrytest"
)

// numbers returns the whole numbers in a text, those with a unit or a point left out.
func numbers(text string) (list []int64) {
	for _, word := range regexp.MustCompile(`[0-9A-Za-z:.]+`).FindAllString(text, -1) {
		if n, err := strconv.ParseInt(strings.TrimPrefix(word, ":"), 10, 64); err == nil {
			list = append(list, n)
		}
	}
	return list
}

// TestPlan: --plan says how much there is to get, before it gets any of it.
func TestPlan(t *testing.T) {
	t.Parallel()
	r := registrytest.InProcess(t)
	base, more := t.TempDir(), t.TempDir()
	layers := imagetest.NoiseLayers(t, 21, 200_000, 300_000, 100_000)
	imagetest.Make(t, base, layers[:2]...)
	imagetest.Make(t, more, layers...)
	r.Push(t, base, "image:base")
	r.Push(t, more, "image:more")
	f := fetchingOf(t, r, more, "image:more")
	all := f.layers()
	small := imagetest.Manifest(t, more).Config.Size + imagetest.Top(t, more).Size
	plan := func(want, present int64) {
		t.Helper()
		for _, json := range []string{"", " --json"} {
			got := f.must(f.code + " --plan" + json)
			if json != "" {
				wantJSONLines(t, got)
			}
			// Whether config and manifest are counted is for the manual to say.
			if n := numbers(got); !holds(n, want, small) || !holds(n, present, small) {
				t.Errorf("want %d bytes to fetch and %d present in:\n%s", want, present, got)
			}
			if strings.Contains(got, "manifest sha256:") && strings.Contains(got, "path=") {
				t.Errorf("records in a plan:\n%s", got)
			}
		}
		for _, l := range all {
			if f.proxy.Of(l.Digest.String()).Delivered > 0 {
				t.Errorf("layer %s was fetched", l.Digest)
			}
		}
	}
	plan(f.size(), 0)
	pull := newHome(t)
	pull.must("cfs-pull --init --insecure --progress=none --tls-verify=false --repo=" + f.dir + "/repo --spool=$HOME/spool " + r.Source("image:base") + " " + tagName)
	plan(all[2].Size, all[0].Size+all[1].Size)
}

// holds reports whether there is n among numbers, give or take what is small.
func holds(numbers []int64, n, small int64) bool {
	return slices.ContainsFunc(numbers, func(m int64) bool { return m >= n && m <= n+small })
}

func wantJSONLines(t *testing.T, text string) {
	t.Helper()
	if text == "" {
		t.Error("no JSON came")
	}
	for line := range strings.Lines(text) {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Errorf("%q: %v", line, err)
		}
	}
}

// TestPlanInSpool: what is in the spool, whole or in part, is not fetched again, and
// --plan knows.
func TestPlanInSpool(t *testing.T) {
	t.Parallel()
	f := newFetching(t, registrytest.InProcess(t), 900_000, 300_000)
	if r := f.killedAfter(600_000, f.code+" --jobs=1"); r.Status != -1 {
		t.Fatalf("exit status %d\n%s", r.Status, r.Stderr)
	}
	got := numbers(f.must(f.code + " --plan"))
	if !slices.ContainsFunc(got, func(n int64) bool { return n > f.size()-700_000 && n < f.size()-500_000 }) {
		t.Errorf("600000 of %d bytes are there; the plan has the numbers %d", f.size(), got)
	}
	f.succeeds()
	if got := numbers(f.must(f.code + " --plan")); !slices.Contains(got, 0) {
		t.Errorf("all is there; the plan has the numbers %d", got)
	}
}
