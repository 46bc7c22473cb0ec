package cmd

import (
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/faultproxy"
	"cfs/cmd/internal/registrytest"
)

// TestPullsOfOneImage: several pulls of one image through one spool all succeed, though
// the first that is done removes what all read.
func TestPullsOfOneImage(t *testing.T) {
	t.Parallel()
	f := newFetching(t, registrytest.InProcess(t), 400_000, 300_000)
	pull := strings.Replace(f.code, "cfs-fetch", "cfs-pull --repo=$HOME/repo --init --insecure", 1)
	f.must(pull + " first")
	f.must("cfs-link untag first --repo=$HOME/repo; cfs-gc --allow-empty --repo=$HOME/repo; " +
		pull + " a & a=$!; " + pull + " b & b=$!; " + pull + " c; c=$?; wait $a && wait $b && exit $c")
	if tags := f.must("cfs-link ls --repo=$HOME/repo | cut -f1 | tr '\\n' ' '"); tags != "a b c " {
		t.Errorf("tags %s", tags)
	}
	wantEmptySpool(t, f.dir+"/spool")
}

// TestPullIsKilled: a signal to the script alone ends all stages, and no tag moves.
func TestPullIsKilled(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			if signal.Ignored(s) {
				t.Skipf("SKIPPED: who runs the tests ignores %s, and so does the shell then", s)
			}
			f := newFetching(t, registrytest.InProcess(t), 400_000)
			f.proxy.Blobs = faultproxy.Hangs
			c := f.command("exec " + strings.Replace(f.code, "cfs-fetch", "cfs-pull --repo=$HOME/repo --init --insecure", 1) + " a")
			done := make(chan result, 1)
			go func() { done <- cmdtest.Run(t, c) }()
			// The stages start together: the first request may precede the repository.
			eventually(t, "it fetches", func() bool { return f.proxy.Total().Requests > 0 })
			eventually(t, "there is a repository", func() bool {
				_, err := os.Stat(filepath.Join(f.dir, "repo", "meta.json"))
				return err == nil
			})
			if err := c.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
			if r := <-done; r.Status != 128+int(s) {
				t.Errorf("exit status %d, want %d\n%s", r.Status, 128+int(s), r.Stderr)
			} else if !strings.HasSuffix(r.Stderr, "cfs-pull: interrupted; what was fetched and stored is kept: the same command goes on from there\n") || strings.Contains(r.Stderr, "erminated") {
				t.Errorf("stderr %q", r.Stderr)
			}
			eventually(t, "no stage is there any more", func() bool { return exec.Command("pgrep", "-f", f.dir+"/repo").Run() != nil })
			if tags := f.must("cfs-link ls --repo=" + filepath.Join(f.dir, "repo")); tags != "" {
				t.Errorf("tags %s", tags)
			}
		})
	}
}

// TestPullPlan: with --plan nothing is pulled.
func TestPullPlan(t *testing.T) {
	t.Parallel()
	f := newFetching(t, registrytest.InProcess(t), 400_000)
	code := strings.Replace(f.code, "cfs-fetch", "cfs-pull --repo=$HOME/repo --plan", 1)
	if got := f.must(code + " a"); !strings.Contains(got, "to fetch: ") {
		t.Errorf("printed %s", got)
	}
	wantJSONLines(t, f.must(code+" a --json"))
}

// TestPullCheck: with --check the manifest alone is fetched, and compared with that of the tag.
func TestPullCheck(t *testing.T) {
	t.Parallel()
	f := newFetching(t, registrytest.InProcess(t), 40_000)
	pull := strings.Replace(f.code, "cfs-fetch", "cfs-pull --repo=$HOME/repo", 1)
	f.must(pull + " --init --insecure 'a b'")
	before := f.must("find $HOME/repo $HOME/spool -printf '%p %T@\n'")
	check := func(status int, stdout, stderr, code string) {
		t.Helper()
		if r := f.run(code); r.Status != status || r.Stdout != stdout || !strings.Contains(r.Stderr, stderr) || stderr == "" && r.Stderr != "" {
			t.Errorf("%s: %+v", code, r)
		}
	}
	check(0, "current\n", "", pull+" --check 'a b'")
	check(3, "", `"nope": no such tag`, pull+" --check nope")
	check(3, "", "no such image", strings.Replace(pull, f.source, f.source+"9", 1)+" --check 'a b'")
	check(2, "", "SOURCE", "cfs-pull --check")
	f.registry.Push(t, randomImage(t, 5, 30_000), "some/image:1")
	check(1, "changed\n", "", pull+" --check 'a b'")
	if after := f.must("find $HOME/repo $HOME/spool -printf '%p %T@\n'"); after != before {
		t.Errorf("it wrote:\n%s\nbefore\n%s", after, before)
	}
	f.must(pull + " 'a b'")
	check(0, "current\n", "", pull+" --check 'a b'")
}
