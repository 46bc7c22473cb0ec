package cmd

import (
	"fmt"
	"path/filepath"
	"testing"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/trap"
)

// TestKillCollect kills collections of what one tag does not keep before each system
// call. What stays must be whole, or go with the next collection, and must not be
// taken for whole by the next pull.
func TestKillCollect(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	p := undisturbed(t, imagetest.SmallLayers(t))
	template := filepath.Join(cmdtest.Scratch(t), "repo")
	must(t, template, p.code)
	other := t.TempDir()
	imagetest.Make(t, other, imagetest.SmallLayers(t)[:2]...)
	must(t, template, "cfs-pull oci:"+other+" other && cfs-link untag "+tagName)
	calls := 0
	trapped(t, copyOf(t, template), "cfs-gc", trap.Count(&calls))
	for _, n := range cmdtest.Sample(calls, 5) {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			repo := copyOf(t, template)
			trapped(t, repo, "cfs-gc", trap.From(n, trap.Kill))
			p.sound(t, repo)
			must(t, repo, "cfs-gc check other")
			must(t, repo, "cfs-link untag other")
			p.recovers(t, repo, 0)
		})
	}
}

// TestKillRepair kills repairs before each system call. The next one ends it, and a
// pull makes all whole again.
func TestKillRepair(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	p := undisturbed(t, imagetest.SmallLayers(t))
	template := filepath.Join(cmdtest.Scratch(t), "repo")
	must(t, template, p.code)
	if err := flipByte(template+"/objects/"+objectOf(t, p.dump, "/usr/file1"), 7); err != nil {
		t.Fatal(err)
	}
	const repair = "cfs-gc check --repair"
	calls := 0
	trapped(t, copyOf(t, template), repair, trap.Count(&calls))
	for _, n := range cmdtest.Sample(calls, 5) {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			repo := copyOf(t, template)
			trapped(t, repo, repair, trap.From(n, trap.Kill))
			if r := shell(t, repo, repair); r.Status != 4 && r.Status != 0 {
				t.Errorf("repair: exit status %d\n%s%s", r.Status, r.Stdout, r.Stderr)
			}
			p.pullAgain(t, repo)
		})
	}
}
