package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/trap"
)

// TestKillRelink kills a cfs-link that adds an EROFS image to what is tagged.
func TestKillRelink(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	p := undisturbed(t, imagetest.SmallLayers(t))
	template := filepath.Join(cmdtest.Scratch(t), "repo")
	must(t, template, p.code)
	p.code = "cfs-link show " + tagName + " | cfs-mkerofs --erofs-version 2 | cfs-link --tag " + tagName
	p.killRelink(t, template)
}

// TestKillRepull kills a pull of what is tagged, but has no EROFS image yet.
func TestKillRepull(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	p := undisturbed(t, imagetest.SmallLayers(t))
	template := filepath.Join(cmdtest.Scratch(t), "repo")
	must(t, template, "cfs-fetch "+p.source()+" | cfs-import --init --insecure --progress none | cfs-link --tag "+tagName)
	p.shown = []string{must(t, template, "cfs-link show "+tagName)}
	p.killRelink(t, template)
}

// killRelink kills a command that links what is tagged anew, before system calls of
// cfs-link, the first of those in the window "config rewritten, manifest not yet" among
// them. All that the tag led to before must outlive the next collection.
func (p *pulled) killRelink(t *testing.T, template string) {
	linked, calls, window := copyOf(t, template), 0, 0
	r := trapped(t, linked, p.code, trap.Only(ofLink, func(trap.Call) error {
		if calls++; window == 0 && inWindow(t, linked) {
			window = calls
		}
		return nil
	}))
	p.records = r.Stdout
	p.shown = append(p.shown, must(t, linked, "cfs-link show "+tagName))
	if r.Status != 0 || p.shown[0] == p.shown[1] {
		t.Fatalf("exit status %d, records\n%s\n%s", r.Status, r.Stdout, r.Stderr)
	}
	if window == 0 {
		t.Error("no call is between rewriting the config and rewriting the manifest")
	}
	list := append(cmdtest.Sample(calls, 5), window)
	slices.Sort(list)
	for i, n := range slices.Compact(list) {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			repo := copyOf(t, template)
			trapped(t, repo, p.code, trap.Only(ofLink, trap.From(n, trap.Kill)))
			if n == window && !inWindow(t, repo) {
				t.Error("it was not killed between rewriting the config and rewriting the manifest")
			}
			must(t, repo, "cfs-link show "+tagName)
			p.recovers(t, repo, 1+i%2)
		})
	}
}

func copyOf(t *testing.T, repo string) string {
	t.Helper()
	dir := filepath.Join(cmdtest.Scratch(t), "repo")
	must(t, "", "cp -a "+cmdtest.Quote(repo)+" "+cmdtest.Quote(dir))
	return dir
}

var ofLink = trap.Of("cfs-link")

// inWindow reports whether the config that the tagged manifest refers to is not the
// one that has the config's name.
func inWindow(t *testing.T, repo string) bool {
	t.Helper()
	for line := range strings.Lines(must(t, repo, "cfs-link show "+tagName)) {
		if rec := parseRecord(t, line); rec.Kind == "config" {
			target, err := os.Readlink(repo + "/streams/oci-config-" + rec.Digest)
			if err != nil {
				t.Fatal(err)
			}
			return strings.ReplaceAll(strings.TrimPrefix(target, "../objects/"), "/", "") != rec.Get("stream")
		}
	}
	t.Fatal("no config")
	return false
}
