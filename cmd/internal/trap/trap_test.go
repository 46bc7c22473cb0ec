package trap

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
)

func TestMain(m *testing.M) {
	Main()
	cmdtest.Main(m)
}

// initialize makes a repository; two tools run, one after the other.
const initialize = `cfs-import --init --insecure </dev/null && cfs-link ls; echo $?`

// run runs initialize with a new repository.
func run(t *testing.T, before Before) (repo string, r cmdtest.Result) {
	t.Helper()
	repo = cmdtest.Scratch(t) + "/repo"
	return repo, Run(t, initialize, cmdtest.Env(t, "COMPOSEFS_REPO="+repo), before)
}

// TestCalls: those of each tool are seen, and none of the shell; they are done.
func TestCalls(t *testing.T) {
	all, ofImport, changing := 0, 0, 0
	_, r := run(t, Count(&all))
	if r.Status != 0 || r.Stdout != "0\n" {
		t.Fatalf("%+v", r)
	}
	run(t, Only(Of("cfs-import"), Count(&ofImport)))
	run(t, Only(Changes, Count(&changing)))
	if all != ofImport || all != changing || all < 5 {
		t.Errorf("%d calls, %d of cfs-import, %d that change something; want as many of each", all, ofImport, changing)
	}
}

// TestBefore: who asks has not done it yet; then it is done.
func TestBefore(t *testing.T) {
	repo, tmpfiles := cmdtest.Scratch(t)+"/repo", 0
	Run(t, initialize, cmdtest.Env(t, "COMPOSEFS_REPO="+repo), Nth(1, func(c Call) error {
		if _, err := os.Lstat(repo); err == nil || c.Nr != unix.SYS_MKDIRAT {
			t.Errorf("the first call, %d, has been done", c.Nr)
		}
		return nil
	}))
	if _, err := os.Stat(repo + "/meta.json"); err != nil {
		t.Error(err)
	}
	run(t, func(c Call) error {
		if c.Tmpfile != "" {
			tmpfiles++
		}
		return nil
	})
	if tmpfiles == 0 {
		t.Error("no file without a name was made")
	}
}

// TestFail: a call that fails is not done, and the tool is told why.
func TestFail(t *testing.T) {
	repo, r := run(t, Nth(1, Fail(unix.ENOSPC)))
	if !strings.HasSuffix(r.Stdout, "1\n") || !strings.Contains(r.Stderr, "no space left on device") {
		t.Errorf("%+v", r)
	}
	if _, err := os.Lstat(repo); err == nil {
		t.Error("the call was done")
	}
}

// TestKill: who is killed does no more, the shell neither.
func TestKill(t *testing.T) {
	repo, r := run(t, From(2, Kill))
	if r.Status != -1 || r.Stdout != "" {
		t.Errorf("%+v", r)
	}
	if _, err := os.Lstat(repo + "/meta.json"); err == nil {
		t.Error("it has gone on")
	}
}

// TestKillTool: only that tool is killed.
func TestKillTool(t *testing.T) {
	_, r := run(t, Nth(1, func(c Call) error {
		if err := KillTool(c.Group, "cfs-gc"); err != nil {
			return err
		}
		if err := KillTool(c.Group, c.Tool); err != nil {
			return err
		}
		return ErrDead
	}))
	if r.Status != 0 || r.Stdout != "137\n" {
		t.Errorf("%+v", r)
	}
}

// TestShort: of each read and write half is done, with the right bytes, and the tools go on
// to the end.
func TestShort(t *testing.T) {
	repo, short := cmdtest.Scratch(t)+"/repo", 0
	calls := []int{unix.SYS_READ, unix.SYS_PREAD64, unix.SYS_WRITE, unix.SYS_PWRITE64}
	r := RunAt(t, "cfs-import --init --insecure </dev/null && cfs-link ls && cat $COMPOSEFS_REPO/meta.json", cmdtest.Env(t, "COMPOSEFS_REPO="+repo), calls, func(c Call) error {
		err := Short(c)
		if _, ok := err.(done); ok {
			short++
		}
		return err
	})
	if r.Status != 0 || short < 4 || !strings.HasPrefix(r.Stdout, "{") || !strings.HasSuffix(strings.TrimSpace(r.Stdout), "}") {
		t.Errorf("%d short calls: %+v", short, r)
	}
}

// TestKillAfter: who is killed has done the call, and no more.
func TestKillAfter(t *testing.T) {
	repo := cmdtest.Scratch(t) + "/repo"
	r, killed := KillAfter(t, initialize, cmdtest.Env(t, "COMPOSEFS_REPO="+repo), 1)
	if entries, err := os.ReadDir(repo); !killed || r.Status != -1 || err != nil || len(entries) != 0 {
		t.Errorf("killed: %v, %+v; it has made %v, %v", killed, r, entries, err)
	}
	calls := 0
	Run(t, initialize, cmdtest.Env(t, "COMPOSEFS_REPO="+repo+"2"), Count(&calls))
	if r, killed := KillAfter(t, initialize, cmdtest.Env(t, "COMPOSEFS_REPO="+repo+"3"), calls+1); killed || r.Status != 0 {
		t.Errorf("after more than the %d calls that there are: %+v", calls, r)
	}
}
