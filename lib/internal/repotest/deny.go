package repotest

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/repo"
)

// Starve calls do while this process can have only n more files open: what opens more
// fails with EMFILE. Nothing else may run in the process at that time.
func Starve(t testing.TB, n int, do func()) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	limit := 0 // one more than the n-th descriptor that is free
	for free := 0; free < n; limit++ {
		if _, err := unix.FcntlInt(uintptr(limit), unix.F_GETFD, 0); err == unix.EBADF {
			free++
		}
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(limit), Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
			t.Fatal(err)
		}
	}()
	do()
}

// nobody is a user who is not the one that runs the tests.
const nobody = 65534

// Deny calls do while something in a repository, a file or a directory, may not be read or
// searched: looking into it fails with EACCES. It holds for what do does itself, not for
// goroutines that it starts.
func Deny(t testing.TB, r *repo.Repo, name string, do func()) {
	t.Helper()
	path := r.Path + "/" + name
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := os.Chmod(path, st.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}()
	if os.Geteuid() == 0 { // to whom modes mean nothing
		if err := os.Chmod(r.Path, 0o755); err != nil {
			t.Fatal(err)
		}
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		setUser(t, nobody)
		defer setUser(t, 0)
	}
	do()
}

// setUser makes file systems take this thread for a user.
func setUser(t testing.TB, uid int) {
	t.Helper()
	// The call returns the one before, and no error.
	if _, err := unix.SetfsuidRetUid(uid); err != nil {
		t.Fatal(err)
	}
	if now, err := unix.SetfsuidRetUid(-1); err != nil || now != uid {
		t.Fatalf("the user is %d, not %d: %v", now, uid, err)
	}
}
