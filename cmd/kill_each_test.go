package cmd

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/trap"
)

// killedCommands are the stages that are killed, with what completes a pull after them.
var killedCommands = []struct {
	faulted
	rest string
}{
	{faulted{name: "init", code: "cfs-import --init --insecure --progress none <" + besideRepo + "fetched", from: "none"}, pullRest},
	{faulted{name: "import", code: "cfs-import --progress none <" + besideRepo + "fetched", from: "start"}, pullRest},
	{faulted{name: "import one by one", code: "cfs-import --jobs 1 --progress none <" + besideRepo + "fetched", from: "start"}, pullRest},
	{faulted{name: "mkerofs", code: "cfs-mkerofs <" + besideRepo + "imported", from: "imported"}, pullRest},
	{faulted{name: "link", code: "cfs-link --tag a <" + besideRepo + "made", from: "made"}, "cfs-import --progress none <" + besideRepo + "fetched | cfs-mkerofs | cfs-link --tag a >&2"},
	{faulted{name: "tag", code: "cfs-link tag a new", from: "start"}, "true"},
	{faulted{name: "untag", code: "cfs-link untag c", from: "linked"}, "true"},
	{faulted{name: "gc", code: "cfs-gc --keep 0", from: "garbage"}, "true"},
	{faulted{name: "repair", code: "cfs-gc check --repair", from: "damaged", status: 4}, "sh -e " + besideRepo + "pulls >&2"},
	{faulted{name: "fetch", code: "cfs-fetch --spool " + besideRepo + "spool oci-archive:" + besideRepo + "archive", from: "start"}, "true"},
}

const pullRest = "sh -e " + besideRepo + "pull >&2"

// TestKillEachCall kills each stage before and after each call by which it changes
// something. What is there is whole then, tags lead to what they led to or were to lead to,
// and the same command again, with the rest of the pull, ends as if nothing had happened.
func TestKillEachCall(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	repos := newFaultRepos(t)
	var tried atomic.Int64
	t.Run("commands", func(t *testing.T) {
		for _, c := range killedCommands {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				n := newKillSeries(t, repos, c.faulted, c.rest).run(cmdtest.Soak(4, 1<<30))
				tried.Add(int64(n))
			})
		}
	})
	t.Logf("%d kills tried, failed: %v", tried.Load(), t.Failed())
}

// killSeries is one command that is killed.
type killSeries struct {
	*faultSeries
	rest  string
	final []string // the files after the rest and a collection
	calls int
}

func newKillSeries(t *testing.T, repos string, c faulted, rest string) *killSeries {
	t.Helper()
	k := &killSeries{faultSeries: newFaultSeries(t, repos, c), rest: rest}
	dir := k.copy()
	defer os.RemoveAll(dir)
	trap.Run(t, c.code, k.environ(dir), trap.Count(&k.calls))
	k.final = k.finish(dir, t.Fatalf)
	return k
}

// finish completes the pull, and returns what is left when all garbage is collected.
func (k *killSeries) finish(dir string, complain func(string, ...any)) []string {
	k.Helper()
	c := exec.Command("sh", "-c", k.rest+" && cfs-gc --keep 0 && cfs-gc check --content")
	c.Env = k.environ(dir)
	if r := cmdtest.Run(k, c); r.Status != 0 {
		complain("then %s: exit status %d\n%s%s", c.Args[2], r.Status, r.Stdout, r.Stderr)
	}
	return keptFiles(k, dir)
}

// run kills before and after at most some of the calls.
func (k *killSeries) run(most int) (tried int) {
	for i, n := range cmdtest.Sample(k.calls, most) {
		tried += 2
		k.kill(fmt.Sprintf("killed before call %d", n), i, func(env []string) (killed bool) {
			trap.Run(k, k.code, env, trap.From(n, func(c trap.Call) error {
				killed = true
				return trap.Kill(c)
			}))
			return killed
		})
		k.kill(fmt.Sprintf("killed after call %d", n), i+1, func(env []string) bool {
			_, killed := trap.KillAfter(k, k.code, env, n)
			return killed
		})
	}
	k.Logf("%s: %d calls, %d kills tried", k.name, k.calls, tried)
	return tried
}

// kill checks what a kill leaves; how chooses whether there is a collection before the
// command runs again.
func (k *killSeries) kill(what string, how int, do func(env []string) bool) {
	dir := k.copy()
	defer os.RemoveAll(dir)
	complain := func(format string, args ...any) {
		k.Helper()
		k.Errorf("%s: %s: %s", k.name, what, fmt.Sprintf(format, args...))
	}
	if !do(k.environ(dir)) {
		return // some calls are not made in each run
	}
	k.checkKept(dir, keptFiles(k, dir), true, complain)
	if _, err := os.Lstat(dir + "/repo/meta.json"); err == nil && how%3 == 0 && k.from != "damaged" {
		if r := shell(k, dir+"/repo", "cfs-gc"); r.Status != 0 && !strings.Contains(r.Stderr, "--allow-empty") {
			complain("collected: exit status %d\n%s", r.Status, r.Stderr)
		}
	}
	c := exec.Command("sh", "-c", k.code)
	c.Env = k.environ(dir)
	switch r := cmdtest.Run(k, c); {
	case r.Status == 75 && how%3 == 0: // it was collected meanwhile
	case k.name == "untag" && r.Status == 3, k.name == "repair" && r.Status == 0: // it had been done
	case r.Status != k.status:
		complain("the same again: exit status %d\n%s", r.Status, r.Stderr)
	case k.name != "gc" && k.name != "repair" && byLine(strings.ReplaceAll(r.Stdout, dir, "DIR")) != byLine(k.good.Stdout):
		complain("the same again prints\n%s\nwant\n%s", r.Stdout, k.good.Stdout)
	}
	if files := k.finish(dir, complain); !slices.Equal(files, k.final) {
		complain("in the end there is\n%s", difference(files, k.final))
	}
}
