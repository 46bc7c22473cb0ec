// Package repotest creates repositories, and layers and images in them, for the tests of lib's
// packages: real, small, and always the same. It damages them as a disk or another program would,
// without going through package repo.
//
// Tests that use it are in separate packages, X_test, since it imports what they test.
package repotest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cfs/lib/flock"
	"cfs/lib/repo"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// algorithms are those that a repository can have.
var algorithms = []verity.Algorithm{verity.SHA256, verity.SHA512}

// EachAlgorithm runs a test for each of the algorithms that a repository can have.
func EachAlgorithm(t *testing.T, test func(*testing.T, verity.Algorithm)) {
	for _, a := range algorithms {
		t.Run(a.Name(), func(t *testing.T) { test(t, a) })
	}
}

// New makes a repository without fs-verity, of EROFS images in formats (V1 if there are
// none), and opens it until the test ends.
func New(t testing.TB, a verity.Algorithm, formats ...variant.Format) *repo.Repo {
	t.Helper()
	if len(formats) == 0 {
		formats = []variant.Format{variant.V1}
	}
	path := filepath.Join(t.TempDir(), "repo")
	if err := repo.Init(path, repo.New{Algorithm: a, Formats: formats, Insecure: true}); err != nil {
		t.Fatal(err)
	}
	return Open(t, path)
}

// Open opens a repository with a shared lock until the test ends.
func Open(t testing.TB, path string) *repo.Repo {
	t.Helper()
	r, err := repo.Open(path, flock.Lock{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// List returns a line for each file and each link of a repository: path and size, or
// target. Directories, which may be empty, are left out, and so are the marks of writers.
func List(t testing.TB, r *repo.Repo) (lines []string) {
	t.Helper()
	err := filepath.WalkDir(r.Path, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(path, r.Path+"/cfs/unflushed-") {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		line := fmt.Sprintf("%s %d", path[len(r.Path)+1:], st.Size())
		if d.Type() == fs.ModeSymlink {
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			line = path[len(r.Path)+1:] + " -> " + target
		}
		lines = append(lines, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// WantList checks that a repository has what List has returned.
func WantList(t testing.TB, r *repo.Repo, want []string) {
	t.Helper()
	WantLines(t, List(t, r), want...)
}

// WantLines checks lines, and prints those that are too many or too few.
func WantLines(t testing.TB, got []string, want ...string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	t.Errorf("got %d lines, want %d, or in another order", len(got), len(want))
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("not wanted: %s", line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("missing: %s", line)
		}
	}
}

// Path returns where an object is.
func Path(r *repo.Repo, id verity.ID) string { return r.Path + "/objects/" + id.ObjectPath() }

// Exists reports whether an object is there.
func Exists(r *repo.Repo, id verity.ID) bool {
	_, err := os.Lstat(Path(r, id))
	return err == nil
}

// Lose removes an object.
func Lose(t testing.TB, r *repo.Repo, id verity.ID) {
	t.Helper()
	if err := os.Remove(Path(r, id)); err != nil {
		t.Fatal(err)
	}
}

// Replace gives an object another content.
func Replace(t testing.TB, r *repo.Repo, id verity.ID, content []byte) {
	t.Helper()
	Lose(t, r, id) // which may be protected from being written
	if err := os.WriteFile(Path(r, id), content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// Flip inverts one byte of an object, counted from its end if it is negative.
func Flip(t testing.TB, r *repo.Repo, id verity.ID, at int) {
	t.Helper()
	data, err := os.ReadFile(Path(r, id))
	if err != nil {
		t.Fatal(err)
	}
	if at < 0 {
		at += len(data)
	}
	data[at] ^= 0xff
	Replace(t, r, id, data)
}

// Point makes a link in a repository, and the folders above it, in place of what has
// its name.
func Point(t testing.TB, r *repo.Repo, name, target string) {
	t.Helper()
	path := inside(t, r, name)
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

// Stray makes a file in a repository, and the folders above it.
func Stray(t testing.TB, r *repo.Repo, name string) {
	t.Helper()
	if err := os.WriteFile(inside(t, r, name), []byte("stray"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Age makes a file or link in a repository older.
func Age(t testing.TB, r *repo.Repo, name string, by time.Duration) {
	t.Helper()
	then := unix.NsecToTimespec(time.Now().Add(-by).UnixNano())
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, r.Path+"/"+name, []unix.Timespec{then, then}, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		t.Fatal(err)
	}
}

func inside(t testing.TB, r *repo.Repo, name string) string {
	t.Helper()
	path := filepath.Join(r.Path, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}
