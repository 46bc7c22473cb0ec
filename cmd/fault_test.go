package cmd

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/faultrun"
	"cfs/cmd/internal/imagetest"
)

// stand is a repository with two tagged images, in which calls of the tools are made to
// fail. Each attempt has a copy of its own.
type stand struct {
	t     *testing.T
	whole string // the repository that is copied
	files []string
	pulls map[string]string // by tag: the code that pulls it
}

func newStand(t *testing.T) *stand {
	t.Helper()
	s := &stand{t: t, whole: cmdtest.Scratch(t) + "/repo", pulls: map[string]string{}}
	for i, tag := range []string{"a", "b"} {
		s.addImage(tag, i)
		must(t, s.whole, s.pulls[tag])
	}
	must(t, s.whole, "cfs-gc")
	s.files = filesOf(t, s.whole)
	return s
}

// addImage makes an image that can be pulled.
func (s *stand) addImage(tag string, seed int) {
	s.t.Helper()
	layout := s.t.TempDir()
	file := func(name string, size int) imagetest.Member {
		return imagetest.File(name+tag, imagetest.Text(uint64(10*seed+size), size))
	}
	imagetest.Make(s.t, layout,
		imagetest.Tar(s.t, imagetest.Dir("usr", 0o755), file("usr/x", 100), file("usr/y", 3000)),
		imagetest.Tar(s.t, imagetest.Dir("usr", 0o755), file("usr/z", 5000), imagetest.File("usr/same", imagetest.Text(99, 500))))
	s.pulls[tag] = "cfs-pull --init --insecure --progress none oci:" + layout + " " + tag
}

// filesOf returns a line for each file and link of a repository.
func filesOf(t testing.TB, repo string) (lines []string) {
	t.Helper()
	err := filepath.WalkDir(repo, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		target, _ := os.Readlink(path)
		lines = append(lines, fmt.Sprintf("%s %d %s", strings.TrimPrefix(path, repo), st.Size(), target))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// copy returns a copy of the repository.
func (s *stand) copy() string {
	s.t.Helper()
	repo := cmdtest.Scratch(s.t) + "/repo"
	if out, err := exec.Command("cp", "-a", s.whole, repo).CombinedOutput(); err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	return repo
}

// passing are errors that say nothing about what could not be read.
var passing = []unix.Errno{unix.EMFILE, unix.EIO, unix.ENOMEM, unix.EACCES, unix.ESTALE, unix.EINTR, unix.EDQUOT}

// inside is for the calls that are about something in a repository.
func inside(path string) bool {
	return strings.Contains(path, "/repo/") || strings.HasSuffix(path, "/repo")
}

// kinds returns the kinds of calls of some names.
func kinds(names ...string) (list []faultrun.Kind) {
	for _, name := range names {
		list = append(list, faultrun.Of(name))
	}
	return list
}

// want checks that a run has ended with one of some statuses, and has not crashed.
func (a attempt) want(t *testing.T, statuses ...int) {
	t.Helper()
	if !slices.Contains(statuses, a.Status) || a.Status != 0 && a.Stderr == "" || strings.Contains(a.Stderr, "goroutine ") {
		t.Errorf("%s, %q: exit status %d, want one of %d\n%s%s", a.Fault, a.Hit, a.Status, statuses, a.Stdout, a.Stderr)
	}
}

// wantFiles checks that nothing was removed.
func (a attempt) wantFiles(t *testing.T, files []string) {
	t.Helper()
	if got := filesOf(t, a.repo); !slices.Equal(got, files) {
		t.Errorf("%s, %q: exit status %d, and there are %d files of %d\n%s%s", a.Fault, a.Hit, a.Status, len(got), len(files), a.Stdout, a.Stderr)
	}
}

// object returns the object that the first name of a pattern leads to.
func (s *stand) object(pattern string) string {
	s.t.Helper()
	names, err := filepath.Glob(s.whole + "/" + pattern)
	if err != nil || len(names) == 0 {
		s.t.Fatalf("%s: %q, %v", pattern, names, err)
	}
	path, err := filepath.EvalSymlinks(names[0])
	if err != nil {
		s.t.Fatal(err)
	}
	return path
}

// is is for the calls that are about one file.
func is(file string) func(string) bool { return func(path string) bool { return path == file } }

// attempt is a run in a copy of the repository in which a call has failed.
type attempt struct {
	faultrun.Fault
	faultrun.Outcome
	repo string
}

// fail runs code with each call of some kinds failing once, with one errno after the other;
// in a short test that is few calls of each kind. It calls check with what each run has left.
func (s *stand) fail(code string, kinds []faultrun.Kind, such func(string) bool, few int, errnos []unix.Errno, check func(attempt)) {
	s.t.Helper()
	tried := 0
	for _, kind := range kinds {
		repo := s.copy()
		counted := faultrun.Run(s.t, code, environ(s.t, repo), faultrun.Fault{Kind: kind, Such: such})
		os.RemoveAll(repo)
		for i, n := range cmdtest.Sample(counted.Calls, few) {
			a := attempt{Fault: faultrun.Fault{Kind: kind, Nth: n, Errno: errnos[i%len(errnos)], Such: such}, repo: s.copy()}
			a.Outcome = faultrun.Run(s.t, code, environ(s.t, a.repo), a.Fault)
			if len(a.Hit) > 0 {
				tried++
				check(a)
			}
			os.RemoveAll(a.repo)
		}
	}
	s.t.Logf("%s: %d calls failed", code, tried)
	if tried == 0 {
		s.t.Errorf("%s: no call failed", code)
	}
}
