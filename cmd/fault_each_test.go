package cmd

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/faultrun"
)

// errnosOf says with which errors the calls of a kind are made to fail: those that file
// systems, networks and limits give.
func errnosOf(kind faultrun.Kind) []unix.Errno {
	switch kind.Name {
	case "openat":
		return []unix.Errno{unix.EIO, unix.ENOMEM, unix.EMFILE, unix.EACCES, unix.ENOSPC, unix.EINTR, unix.EDQUOT, unix.ESTALE, unix.EUCLEAN}
	case "mkdirat", "linkat", "symlinkat", "renameat", "renameat2":
		return []unix.Errno{unix.EIO, unix.ENOMEM, unix.EMFILE, unix.EACCES, unix.ENOSPC, unix.EINTR, unix.EDQUOT, unix.ESTALE}
	case "unlinkat", "fchmod", "fchmodat2", "ftruncate", "ioctl", "flock":
		return []unix.Errno{unix.EIO, unix.ENOMEM, unix.EACCES, unix.EINTR, unix.EDQUOT, unix.ESTALE}
	case "write", "pwrite64", "fsync", "fdatasync", "syncfs", "close":
		return []unix.Errno{unix.EIO, unix.ENOSPC, unix.EDQUOT, unix.ESTALE}
	case "read", "pread64", "lseek":
		return []unix.Errno{unix.EIO, unix.ENOMEM, unix.EINTR, unix.EDQUOT, unix.ESTALE}
	}
	return []unix.Errno{unix.EIO, unix.ENOMEM, unix.EMFILE, unix.EACCES, unix.EINTR, unix.ESTALE}
}

// faulted is a command of which calls are made to fail.
type faulted struct {
	name, code string
	from       string // the repository in which it runs, a name of newFaultRepos
	output     bool   // what it prints is what it is run for
	status     int    // how it ends if nothing fails
}

// The records that are on their way stand beside the repository.
const besideRepo = "$DIR/"

var faultedCommands = []faulted{
	{name: "init", code: "cfs-import --init --insecure --progress none <" + besideRepo + "fetched", from: "none"},
	{name: "import", code: "cfs-import --progress none <" + besideRepo + "fetched", from: "start"},
	{name: "mkerofs", code: "cfs-mkerofs <" + besideRepo + "imported", from: "imported"},
	{name: "link", code: "cfs-link --tag a <" + besideRepo + "made", from: "made"},
	{name: "tag", code: "cfs-link tag a new", from: "start"},
	{name: "untag", code: "cfs-link untag c", from: "linked"},
	{name: "gc", code: "cfs-gc --keep 0", from: "garbage"},
	{name: "check", code: "cfs-gc check --content", from: "linked", output: true},
	{name: "check damaged", code: "cfs-gc check --content", from: "damaged", output: true, status: 4},
	{name: "repair", code: "cfs-gc check --repair", from: "damaged", status: 4},
	{name: "fetch", code: "cfs-fetch --spool " + besideRepo + "spool oci-archive:" + besideRepo + "archive", from: "start"},
	{name: "show", code: "cfs-link show a", from: "start", output: true},
	{name: "ls", code: "cfs-link ls", from: "start", output: true},
	{name: "sizes", code: "cfs-link ls --json", from: "start", output: true},
	{name: "why", code: "cfs-link why $(cat " + besideRepo + "layer)", from: "start", output: true},
	{name: "cat", code: "cfs-import cat $(cat " + besideRepo + "diff-id)", from: "linked", output: true},
	{name: "dump", code: "cfs-mkerofs dump a", from: "start", output: true},
	{name: "file", code: "cfs-mkerofs --oci a -o " + besideRepo + "out && cat " + besideRepo + "out", from: "start", output: true},
}

// TestFaultEachCall lets each call of each tool fail, once and from then on, with each
// error, and do only half of what it should. Whatever fails, success is true, failure says
// why, and nothing is lost that was there.
func TestFaultEachCall(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	repos := newFaultRepos(t)
	var tried, failed atomic.Int64
	t.Run("commands", func(t *testing.T) {
		for _, c := range faultedCommands {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				n := newFaultSeries(t, repos, c).run(cmdtest.Soak(7, 1<<30))
				tried.Add(int64(n))
				if t.Failed() {
					failed.Add(1)
				}
			})
		}
	})
	t.Logf("%d faults tried, commands with failures: %d", tried.Load(), failed.Load())
}

// newFaultRepos makes the folders in which the commands run: each has a repository, "repo",
// and beside it the records that go in.
func newFaultRepos(t *testing.T) (repos string) {
	t.Helper()
	s := newStand(t)
	s.addImage("c", 7)
	repos = cmdtest.Scratch(t)
	layout := strings.TrimPrefix(strings.Fields(s.pulls["c"])[5], "oci:")
	script := `set -e
cd ` + repos + ` && export COMPOSEFS_REPO
stage() { # FROM TO COMMAND...
	from=$1 to=$2; shift 2
	cp -a $from $to && COMPOSEFS_REPO=$PWD/$to/repo && "$@"
}
stage_import() { cfs-import --progress none <$COMPOSEFS_REPO/../fetched >$COMPOSEFS_REPO/../imported; }
stage_mkerofs() { cfs-mkerofs <$COMPOSEFS_REPO/../imported >$COMPOSEFS_REPO/../made; }
stage_link() { cfs-link --tag c <$COMPOSEFS_REPO/../made >/dev/null; }
garbage() { cfs-link untag b; }
damage() {
	for f in $(find $COMPOSEFS_REPO/objects -type f | sort | awk 'NR % 5 == 1'); do printf damaged | dd of=$f conv=notrunc status=none; done
}
mkdir none start && cp -a ` + s.whole + ` start/repo
for d in none start; do
	cfs-fetch --repo start/repo oci:` + layout + ` >$d/fetched
	tar -cf $d/archive -C ` + layout + ` oci-layout index.json blobs
	echo '` + s.pulls["c"] + `' >$d/pull
	printf '%s\n' '` + s.pulls["a"] + "' '" + s.pulls["b"] + "' '" + s.pulls["c"] + `' >$d/pulls
done
(cd start/repo/streams && basename $(readlink $(ls -d oci-layer-* | head -1) | sed 's|.*/objects/||; s|/||')) >start/layer
sed -n 's/.* diff-id=\([^ ]*\).*/\1/p' start/fetched | head -1 >start/diff-id
stage start imported stage_import
stage imported made stage_mkerofs
stage made linked stage_link
stage linked garbage garbage
stage linked damaged damage
`
	must(t, "", script)
	return repos
}

// faultSeries is one command whose calls fail.
type faultSeries struct {
	*testing.T
	faulted
	repos string
	calls map[faultrun.Kind]int

	good         result            // what it prints
	before, left []string          // the files before and afterwards
	tags, after  map[string]string // what the tags lead to before and afterwards

	next string // a folder as it was before that can be used once more
}

func newFaultSeries(t *testing.T, repos string, c faulted) *faultSeries {
	t.Helper()
	s := &faultSeries{T: t, faulted: c, repos: repos}
	dir := s.copy()
	defer os.RemoveAll(dir)
	s.before, s.tags = keptFiles(t, dir), s.tagged(dir)
	s.good, s.calls = faultrun.Count(t, s.limited(), s.environ(dir), slices.Concat(faultrun.Reading, faultrun.Writing))
	if s.good.Status != c.status {
		t.Fatalf("%s: %+v", c.code, s.good)
	}
	s.good.Stdout = strings.ReplaceAll(s.good.Stdout, dir, "DIR")
	s.left, s.after = keptFiles(t, dir), s.tagged(dir)
	return s
}

// limited is the code, ended if it hangs.
func (s *faultSeries) limited() string {
	return "timeout -s KILL 120 sh -c " + cmdtest.Quote(s.code)
}

func (s *faultSeries) environ(dir string) []string {
	return append(environ(s, dir+"/repo"), "DIR="+dir)
}

func (s *faultSeries) copy() (dir string) {
	s.Helper()
	dir = cmdtest.Scratch(s)
	if out, err := exec.Command("cp", "-a", s.repos+"/"+s.from+"/.", dir).CombinedOutput(); err != nil {
		s.Fatalf("%v: %s", err, out)
	}
	return dir
}

// keptFiles is filesOf without what the tools keep for themselves, and without the file that
// is their output, of which a failure may leave an empty temporary one.
func keptFiles(t testing.TB, dir string) []string {
	t.Helper()
	return slices.DeleteFunc(filesOf(t, dir), func(line string) bool {
		return strings.HasPrefix(line, "/repo/cfs/") || strings.HasPrefix(line, "/out ") || strings.HasPrefix(line, "/.out")
	})
}

// tagged returns what cfs-link show prints of each tag.
func (s *faultSeries) tagged(dir string) map[string]string {
	shown := map[string]string{}
	for _, tag := range []string{"a", "b", "c", "new"} {
		if _, err := os.Lstat(dir + "/repo/streams/refs/oci/" + tag); err == nil {
			shown[tag] = s.shown(dir, tag)
		}
	}
	return shown
}

func (s *faultSeries) shown(dir, tag string) string {
	r := shell(s, dir+"/repo", "cfs-link show "+tag)
	return fmt.Sprint(r.Status, r.Stdout)
}

// run tries faults, at most some of those that there are, and returns how many it tried.
func (s *faultSeries) run(most int) (tried int) {
	var all []faultrun.Fault
	for _, kind := range slices.Concat(faultrun.Reading, faultrun.Writing) {
		short := slices.Contains([]string{"read", "pread64", "write", "pwrite64"}, kind.Name)
		for n := 1; n <= s.calls[kind]; n++ {
			errnos := errnosOf(kind)
			for _, errno := range errnos {
				all = append(all, faultrun.Fault{Kind: kind, Nth: n, Errno: errno})
			}
			if errno := errnos[n%len(errnos)]; errno != unix.EINTR { // which is right to be tried for ever
				all = append(all, faultrun.Fault{Kind: kind, Nth: n, Errno: errno, Stays: true})
			}
			if short {
				all = append(all, faultrun.Fault{Kind: kind, Nth: n, Short: true})
			}
		}
	}
	for _, i := range cmdtest.Sample(len(all), most) {
		if s.try(all[i-1], i%3 == 0) {
			tried++
		}
	}
	s.Logf("%s: %d of %d faults tried", s.name, tried, len(all))
	return tried
}

// try runs the command with a fault, and reports whether it came to that.
func (s *faultSeries) try(f faultrun.Fault, again bool) bool {
	dir := s.next
	if dir == "" {
		dir = s.copy()
	}
	s.next = ""
	o := faultrun.Run(s, s.limited(), s.environ(dir), f)
	complain := func(format string, args ...any) {
		s.Helper()
		s.Errorf("%s: %s, %q: exit status %d: %s\n%s", s.name, f, o.Hit[:min(3, len(o.Hit))], o.Status, fmt.Sprintf(format, args...), o.Stderr)
	}
	files := keptFiles(s, dir)
	if len(o.Hit) > 0 {
		s.checkStatus(f, o, complain)
		if s.name != "repair" || !isRefused(f) { // which drops what cannot be read
			s.checkKept(dir, files, again, complain)
		}
		s.checkPromise(dir, files, f, o, complain)
	}
	if again {
		s.again(dir, complain)
	}
	if s.output && !again {
		s.next = dir
	} else {
		os.RemoveAll(dir)
	}
	return len(o.Hit) > 0
}

// again runs the command once more, in which nothing fails.
func (s *faultSeries) again(dir string, complain func(string, ...any)) {
	c := exec.Command("sh", "-c", s.code)
	c.Env = s.environ(dir)
	r := cmdtest.Run(s, c)
	if r.Status != s.status && !(s.name == "repair" && r.Status == 0) && !(s.name == "untag" && r.Status == 3) {
		complain("the same again: exit status %d\n%s", r.Status, r.Stderr)
	}
}

// isRefused reports whether a fault is content that the disk does not give again and again, or a
// file that the file system calls damaged: that is damage.
func isRefused(f faultrun.Fault) bool {
	return f.Stays && (f.Errno == unix.EIO && (f.Kind.Name == "read" || f.Kind.Name == "pread64") || f.Errno == unix.EUCLEAN && f.Kind.Name == "openat")
}

// checkStatus: nothing crashes or hangs, failures say why, and only bytes that were judged
// are damage.
func (s *faultSeries) checkStatus(f faultrun.Fault, o faultrun.Outcome, complain func(string, ...any)) {
	switch {
	case strings.Contains(o.Stderr, "goroutine "), strings.Contains(o.Stderr, "panic"):
		complain("it crashed")
	case o.Status == s.status, o.Status == 1, o.Status == 75:
	case o.Status == 4 && isRefused(f):
	case o.Status == 5 && f.Kind.Name == "flock":
	default:
		complain("a status that this cannot have")
	}
	said := o.Stderr
	if o.Status == 4 && s.output {
		said = o.Stdout // the report of a check
	}
	if o.Status != s.status && o.Status != 0 && said == "" && f.Kind.Name != "write" {
		complain("it does not say why")
	}
}

// checkKept: each tag leads to what it led to before, or to what it was to lead to, and that
// is whole.
func (s *faultSeries) checkKept(dir string, files []string, closely bool, complain func(string, ...any)) {
	known := slices.Equal(files, s.before) || slices.Equal(files, s.left)
	if s.output && !slices.Equal(files, s.before) {
		complain("it has changed the repository:\n%s", difference(files, s.before))
	}
	if known && !closely {
		return
	}
	for tag, before := range s.tags {
		if now := s.shown(dir, tag); now != before && now != s.after[tag] && !(s.after[tag] == "" && strings.HasPrefix(now, "3")) {
			complain("tag %s is\n%s\nand was\n%s", tag, now, before)
		}
	}
	if s.from == "damaged" {
		return
	}
	if _, err := os.Lstat(dir + "/repo/meta.json"); err != nil {
		if s.from != "none" {
			complain("%v", err)
		}
	} else if r := shell(s, dir+"/repo", "cfs-gc check --content"); r.Status != 0 {
		complain("then cfs-gc check: exit status %d\n%s%s", r.Status, r.Stdout, r.Stderr)
	}
}

// checkPromise: who reports success has done everything.
func (s *faultSeries) checkPromise(dir string, files []string, f faultrun.Fault, o faultrun.Outcome, complain func(string, ...any)) {
	if o.Status != s.status || s.name == "repair" {
		return // a repair may have had to leave something, and says so
	}
	if s.status == 4 && isRefused(f) {
		return // it has found that, too
	}
	if s.output && byLine(strings.ReplaceAll(o.Stdout, dir, "DIR")) != byLine(s.good.Stdout) {
		complain("it printed\n%s\nwant\n%s", o.Stdout, s.good.Stdout)
	}
	if !slices.Equal(files, s.left) {
		complain("it left\n%s", difference(files, s.left))
	}
}

func byLine(text string) string {
	return strings.Join(slices.Sorted(strings.Lines(text)), "")
}

// difference returns the lines that only one of two lists has.
func difference(got, want []string) string {
	var b strings.Builder
	for _, line := range got {
		if !slices.Contains(want, line) {
			fmt.Fprintln(&b, "+", line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			fmt.Fprintln(&b, "-", line)
		}
	}
	return b.String()
}
