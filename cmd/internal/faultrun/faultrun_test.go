package faultrun

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/trap"
)

func TestMain(m *testing.M) {
	trap.Main()
	cmdtest.Main(m)
}

// list runs cfs-link ls in a new repository.
func list(t *testing.T, f Fault) (repo string, o Outcome) {
	t.Helper()
	repo = cmdtest.Scratch(t) + "/repo"
	cmdtest.Must(t, "", "cfs-import --init --insecure </dev/null", "COMPOSEFS_REPO="+repo)
	return repo, Run(t, "cfs-link ls", cmdtest.Env(t, "COMPOSEFS_REPO="+repo), f)
}

// TestRun: the n-th call fails, and only that; or all from it on.
func TestRun(t *testing.T) {
	_, o := list(t, Fault{Kind: Of("openat")})
	if o.Status != 0 || o.Calls < 3 || o.Hit != nil {
		t.Fatalf("nothing fails: %+v", o)
	}
	for n := 1; n <= o.Calls; n++ {
		repo, one := list(t, Fault{Kind: Of("openat"), Nth: n, Errno: unix.EMFILE})
		if len(one.Hit) != 1 || one.Status == 0 != (one.Stderr == "") {
			t.Errorf("openat %d fails: %+v", n, one)
		}
		if strings.HasPrefix(one.Hit[0], repo) && !strings.Contains(one.Stderr, "too many open files") {
			t.Errorf("openat %d, of %s: %s", n, one.Hit[0], one.Stderr)
		}
	}
	if _, all := list(t, Fault{Kind: Of("openat"), Nth: 1, Errno: unix.EACCES, Stays: true}); all.Status != 1 || len(all.Hit) != all.Calls {
		t.Errorf("all fail: %+v", all)
	}
}

// TestSuch: which calls count is chosen by the file that they are about, also where they
// have a descriptor alone.
func TestSuch(t *testing.T) {
	meta := func(path string) bool { return strings.HasSuffix(path, "/meta.json") }
	for _, kind := range []string{"openat", "read"} {
		_, o := list(t, Fault{Kind: Of(kind), Nth: 1, Errno: unix.EIO, Such: meta})
		if o.Status != 1 || o.Calls != 1 || !strings.Contains(o.Stderr, "input/output error") {
			t.Errorf("%s: %+v", kind, o)
		}
	}
}

// TestBefore: a call can be held, and is done then.
func TestBefore(t *testing.T) {
	calls := 0
	_, o := list(t, Fault{Kind: Of("openat"), Nth: 1, Before: func() { calls++ }, Such: func(path string) bool {
		return strings.HasSuffix(path, "/meta.json")
	}})
	if calls != 1 || len(o.Hit) != 1 || o.Status != 0 {
		t.Errorf("held %d times: %+v", calls, o)
	}
}

// TestCount: the calls of all kinds are counted in one run as they are one by one.
func TestCount(t *testing.T) {
	kinds := []Kind{Of("openat"), Of("pread64"), Of("fstat")}
	repo := cmdtest.Scratch(t) + "/repo"
	cmdtest.Must(t, "", "cfs-import --init --insecure </dev/null", "COMPOSEFS_REPO="+repo)
	r, calls := Count(t, "cfs-link ls", cmdtest.Env(t, "COMPOSEFS_REPO="+repo), kinds)
	_, one := list(t, Fault{Kind: Of("openat")})
	if r.Status != 0 || calls[Of("openat")] != one.Calls {
		t.Errorf("%+v, %v; openat alone: %d", r, calls, one.Calls)
	}
}
