package flock

import (
	"context"
	"errors"
	"os"
	"strconv"
	"testing"
	"time"
)

// self is how this process is named.
var self = processName(strconv.Itoa(os.Getpid()))

// open opens the file at name, as a process of its own would.
func open(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func take(t *testing.T, l Lock, f *os.File) {
	t.Helper()
	if err := l.Take(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

// TestExclude tries each kind of lock beside each.
func TestExclude(t *testing.T) {
	for _, held := range []Lock{{}, {Exclusive: true}} {
		for _, wanted := range []Lock{{}, {Exclusive: true}} {
			name := t.TempDir() + "/file"
			a, b := open(t, name), open(t, name)
			take(t, held, a)
			err := wanted.Take(t.Context(), b)
			if held.Exclusive || wanted.Exclusive {
				want := "locked by " + self
				if !errors.Is(err, ErrLocked) || err.Error() != want {
					t.Errorf("%+v beside %+v: got %v, want %s", wanted, held, err, want)
				}
			} else if err != nil {
				t.Errorf("%+v beside %+v: %v", wanted, held, err)
			}
			a.Close()
			take(t, wanted, b)
		}
	}
}

func TestDirectory(t *testing.T) {
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	take(t, Lock{Exclusive: true}, dir)
	take(t, Lock{}, dir) // changes it
}

func TestTimeout(t *testing.T) {
	name := t.TempDir() + "/file"
	a, b := open(t, name), open(t, name)
	take(t, Lock{Exclusive: true}, a)
	const timeout = 30 * time.Millisecond
	start := time.Now()
	err := Lock{Timeout: timeout}.Take(t.Context(), b)
	if waited := time.Since(start); !errors.Is(err, ErrLocked) || waited < timeout {
		t.Errorf("%v after %v", err, waited)
	}
}

// TestWaiting releases the lock when the wait is reported, which the other then has.
func TestWaiting(t *testing.T) {
	t.Parallel()
	name := t.TempDir() + "/file"
	a, b := open(t, name), open(t, name)
	take(t, Lock{}, a)
	var reports []string
	l := Lock{Exclusive: true, Timeout: Forever, Waiting: func(holders string) {
		reports = append(reports, holders)
		a.Close()
	}}
	take(t, l, b)
	if len(reports) != 1 || reports[0] != self {
		t.Errorf("reports %q", reports)
	}
}

func TestContext(t *testing.T) {
	name := t.TempDir() + "/file"
	a, b := open(t, name), open(t, name)
	take(t, Lock{Exclusive: true}, a)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := (Lock{Timeout: Forever}).Take(ctx, b); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestClosed(t *testing.T) {
	f := open(t, t.TempDir()+"/file")
	f.Close()
	if err := (Lock{}).Take(t.Context(), f); err == nil || errors.Is(err, ErrLocked) {
		t.Errorf("a closed file: %v", err)
	}
	if got := holders(f); got != "another process" {
		t.Errorf("holders of a closed file: %s", got)
	}
}

func TestHolders(t *testing.T) {
	f := open(t, t.TempDir()+"/file")
	if got := holders(f); got != "another process" {
		t.Errorf("holders of a file without a lock: %s", got)
	}
	if got := processName("0"); got != "process (pid 0)" {
		t.Errorf("a process that has ended: %s", got)
	}
}
