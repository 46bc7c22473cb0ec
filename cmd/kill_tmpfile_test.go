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

// TestWithoutTmpfile pulls, and is killed, where files without a name cannot be made.
func TestWithoutTmpfile(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	p := undisturbed(t, imagetest.SmallLayers(t))
	without := func(before trap.Before) trap.Before {
		return func(c trap.Call) error {
			if c.Tmpfile == "" {
				return before(c)
			}
			if _, err := os.Stat(c.Tmpfile); err != nil {
				return unix.ENOENT
			}
			return unix.EOPNOTSUPP
		}
	}
	calls := 0
	repo := filepath.Join(cmdtest.Scratch(t), "repo")
	r := trapped(t, repo, p.code, without(trap.Count(&calls)))
	if r.Status != 0 || r.Stdout != p.records {
		t.Fatalf("exit status %d, records\n%s\nwant\n%s\n%s", r.Status, r.Stdout, p.records, r.Stderr)
	}
	p.sound(t, repo)
	wantNothing(t, repo)
	for i, n := range cmdtest.Sample(calls, 4) {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			repo := filepath.Join(cmdtest.Scratch(t), "repo")
			trapped(t, repo, p.code, without(trap.From(n, trap.Kill)))
			p.recovers(t, repo, i)
		})
	}
}
