// Package faultrun runs shell code in which single system calls of the tools fail: the n-th
// call of a kind, counted over all tools and all their threads, or all calls from the n-th on.
//
// Only calls that concern files are counted; those that the Go runtime makes for itself are not.
// Tools with several goroutines do not always make their calls in the same order, so the n-th
// call may differ from run to run: the expectations of a test must hold for any of them.
package faultrun

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/trap"
)

// Kind is a kind of system call.
type Kind struct {
	Name string
	Nr   int
}

// Reading are the kinds by which the tools read and list.
var Reading = []Kind{
	{"openat", unix.SYS_OPENAT}, {"openat2", unix.SYS_OPENAT2}, {"getdents64", unix.SYS_GETDENTS64}, {"readlinkat", unix.SYS_READLINKAT},
	{"newfstatat", unix.SYS_NEWFSTATAT}, {"fstat", unix.SYS_FSTAT}, {"read", unix.SYS_READ}, {"pread64", unix.SYS_PREAD64},
	{"lseek", unix.SYS_LSEEK}, {"ioctl", unix.SYS_IOCTL}, {"flock", unix.SYS_FLOCK}, {"fstatfs", unix.SYS_FSTATFS},
	{"faccessat2", unix.SYS_FACCESSAT2},
}

// Writing are the kinds by which they change something.
var Writing = []Kind{
	{"write", unix.SYS_WRITE}, {"pwrite64", unix.SYS_PWRITE64}, {"linkat", unix.SYS_LINKAT}, {"symlinkat", unix.SYS_SYMLINKAT},
	{"renameat", unix.SYS_RENAMEAT}, {"renameat2", unix.SYS_RENAMEAT2}, {"unlinkat", unix.SYS_UNLINKAT}, {"mkdirat", unix.SYS_MKDIRAT},
	{"fchmod", unix.SYS_FCHMOD}, {"fchmodat2", unix.SYS_FCHMODAT2}, {"ftruncate", unix.SYS_FTRUNCATE}, {"fsync", unix.SYS_FSYNC},
	{"fdatasync", unix.SYS_FDATASYNC}, {"syncfs", unix.SYS_SYNCFS}, {"close", unix.SYS_CLOSE},
}

// Of returns the kind of a name, which must be one of these.
func Of(name string) Kind {
	for _, k := range slices.Concat(Reading, Writing) {
		if k.Name == name {
			return k
		}
	}
	panic("faultrun: no kind " + name)
}

// Fault is what is to happen in a run.
type Fault struct {
	Kind  Kind
	Nth   int        // the call that fails, counted from 1; 0 for none
	Errno unix.Errno // how it fails
	Stays bool       // each later call fails as well
	Short bool       // it does not fail: half of the read or write is done

	// Such says which calls of the kind count, by the file that they are about; nil for all.
	Such func(path string) bool

	// Before, if it is set, is called before the n-th call, which waits for it, instead of
	// letting it fail.
	Before func()
}

// String describes the fault in messages.
func (f Fault) String() string {
	if f.Short {
		return fmt.Sprintf("%s %d is short", f.Kind.Name, f.Nth)
	}
	s := fmt.Sprintf("%s %d fails with %s", f.Kind.Name, f.Nth, unix.ErrnoName(f.Errno))
	if f.Stays {
		s += ", and those after it"
	}
	return s
}

// Outcome is what became of a run.
type Outcome struct {
	cmdtest.Result
	Calls int      // how many calls counted
	Hit   []string // which of them failed: the files that they were about
}

// Run runs sh code in an environment. It skips the test where calls cannot be trapped. The
// package needs a TestMain that calls trap.Main.
func Run(t testing.TB, code string, env []string, f Fault) (o Outcome) {
	t.Helper()
	o.Result = trap.RunAt(t, code, env, []int{f.Kind.Nr}, func(c trap.Call) error {
		path := c.Path()
		if isRuntime(path) || f.Such != nil && !f.Such(path) {
			return nil
		}
		o.Calls++
		if f.Nth == 0 || o.Calls != f.Nth && !(f.Stays && o.Calls > f.Nth) {
			return nil
		}
		o.Hit = append(o.Hit, path)
		if f.Before != nil {
			f.Before()
			return nil
		}
		if f.Short {
			return trap.Short(c)
		}
		return f.Errno
	})
	return o
}

// Count runs sh code in which nothing fails, and returns how many calls of each kind there
// are to count.
func Count(t testing.TB, code string, env []string, kinds []Kind) (r cmdtest.Result, calls map[Kind]int) {
	t.Helper()
	calls = map[Kind]int{}
	var list []int
	for _, k := range kinds {
		list = append(list, k.Nr)
	}
	r = trap.RunAt(t, code, env, list, func(c trap.Call) error {
		if !isRuntime(c.Path()) {
			calls[kinds[slices.Index(list, c.Nr)]]++
		}
		return nil
	})
	return r, calls
}

// isRuntime reports whether a call is one that the Go runtime makes for itself.
func isRuntime(path string) bool {
	return path == "" || strings.HasPrefix(path, "anon_inode:") || strings.HasPrefix(path, "/sys/") || strings.HasPrefix(path, "/proc/self/auxv")
}
