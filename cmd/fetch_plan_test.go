package cmd

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cfs/cmd/internal/faultproxy"
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

// TestFetchProgress: progress goes to stderr, in the form that was asked for.
func TestFetchProgress(t *testing.T) {
	t.Parallel()
	r := registrytest.InProcess(t)
	layout := randomImage(t, 22, 200_000, 300_000)
	r.Push(t, layout, "some/image:1")
	records := ""
	for _, form := range []string{"none", "plain", "json", "auto"} {
		f := fetchingOf(t, r, layout, "some/image:1")
		f.code = strings.Replace(f.code, "--progress=none", "--progress="+form, 1)
		got := f.succeeds()
		if same := sortedLines(strings.NewReplacer(f.dir, "", f.proxy.Addr, "").Replace(got.Stdout)); records == "" {
			records = same
		} else if same != records {
			t.Errorf("%s: records\n%s\nwant\n%s", form, same, records)
		}
		switch form {
		case "none":
			if got.Stderr != "" {
				t.Errorf("none: stderr %q", got.Stderr)
			}
			continue
		case "json":
			wantJSONLines(t, got.Stderr)
		}
		for _, l := range f.layers() {
			if !strings.Contains(got.Stderr, l.Digest.Encoded()[:12]) {
				t.Errorf("%s: nothing about layer %s in\n%s", form, l.Digest, got.Stderr)
			}
		}
		if strings.ContainsAny(got.Stderr, "\r\x1b") {
			t.Errorf("%s: it moves the cursor though there is no terminal: %q", form, got.Stderr)
		}
	}
	f := fetchingOf(t, r, layout, "some/image:1")
	f.fails(2, strings.Replace(f.code, "--progress=none", "--progress=much", 1), "progress")
}

// TestFetchJobs: as many layers come at once as was said.
func TestFetchJobs(t *testing.T) {
	t.Parallel()
	f := newFetching(t, registrytest.InProcess(t), 60_000, 61_000, 62_000, 63_000)
	config := imagetest.Manifest(t, f.layout).Config.Digest.String()
	for jobs := range 2 {
		jobs++
		var now, peak atomic.Int32
		f.proxy.Blobs = func(e *faultproxy.Exchange) {
			if e.Blob == config {
				faultproxy.Pass(e)
				return
			}
			n := now.Add(1)
			for old := peak.Load(); n > old && !peak.CompareAndSwap(old, n); old = peak.Load() {
			}
			eventually(t, fmt.Sprintf("--jobs=%d has as many under way", jobs), func() bool { return int(peak.Load()) >= jobs })
			time.Sleep(50 * time.Millisecond) // for one more to come, if it were wrong
			now.Add(-1)
			faultproxy.Pass(e)
		}
		f.must("rm -rf spool")
		f.must(fmt.Sprint(f.code, " --jobs=", jobs))
		if n := int(peak.Load()); n != jobs {
			t.Errorf("--jobs=%d: %d came at once", jobs, n)
		}
	}
	f.fails(2, f.code+" --jobs=0", "jobs")
}
