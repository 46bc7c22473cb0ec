package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/trap"
)

// TestPowerCut takes away, at a system call of a pull, all that is not on the disk yet.
// What has a name then is whole, and what a record said to be stored is there.
func TestPowerCut(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	p := undisturbed(t, imagetest.SmallLayers(t))
	calls := p.countCalls(t, cmdtest.Scratch(t)+"/repo", trap.Any)
	for i, n := range cmdtest.Sample(calls+1, 4) {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			dir, device := mountImage(t, 16, "commit=1000")
			r := trapped(t, dir+"/repo", p.code, trap.From(n, trap.Kill))
			repo := afterCut(t, dir, device)
			if r.Status == 0 && shell(t, repo, "cfs-link show "+tagName).Status != 0 {
				t.Error("the pull was complete, and there is no tag")
			}
			p.survives(t, repo, i)
		})
	}
}

// TestPowerCutAfterRecords cuts the power when cfs-import has written some records.
func TestPowerCutAfterRecords(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	p := undisturbed(t, imagetest.SmallLayers(t))
	for n := cmdtest.Soak(1, 0); n < 4; n += cmdtest.Soak(2, 1) {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			dir, device := mountImage(t, 16, "commit=1000")
			finished := p.importSome(t, dir+"/repo", n)
			repo := afterCut(t, dir, device)
			must(t, repo, "cfs-gc --allow-empty && cfs-gc check --content")
			for _, line := range finished {
				must(t, repo, "cfs-import show "+parseRecord(t, line).Get("diff-id"))
			}
			p.survives(t, repo, 0)
		})
	}
}

// afterCut mounts what of a mounted image is on the disk now.
func afterCut(t *testing.T, dir, device string) (repo string) {
	t.Helper()
	after := filepath.Join(cmdtest.Scratch(t), "after")
	must(t, "", "cp --sparse=always "+device+" "+after+".disk && mkdir "+after+" && mount -o loop "+after+".disk "+after)
	t.Cleanup(func() { unix.Unmount(after, unix.MNT_DETACH) })
	return after + "/repo"
}

// survives is recovers for what the power was taken from. Then objects that nothing
// refers to may be incomplete: they are collected or written anew.
func (p *pulled) survives(t *testing.T, repo string, how int) {
	t.Helper()
	if shell(t, repo, "cfs-link show "+tagName).Status == 0 {
		must(t, repo, "cfs-gc check --content "+tagName)
	}
	if _, err := os.Lstat(repo + "/meta.json"); err == nil && how%3 > 0 && collect(t, repo, how%3 == 1) {
		p.sound(t, repo)
	}
	p.pullAgain(t, repo)
}
