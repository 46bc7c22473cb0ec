package cmd

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/trap"
	"cfs/lib/record"
)

// pulled is what an undisturbed pull of an image leaves, and prints.
type pulled struct {
	code    string // the command
	took    time.Duration
	records string
	shown   []string // by cfs-link show: one of these
	dump    string
}

const tagName = "tag:1"

// undisturbed pulls an image of layers by the pipe of cfs-pull.
func undisturbed(t *testing.T, layers [][]byte, options ...string) pulled {
	t.Helper()
	return pulledInto(t, filepath.Join(cmdtest.Scratch(t), "repo"), layers, append([]string{"--insecure"}, options...)...)
}

// pulledInto is undisturbed in a certain repository, which may be a secure one.
func pulledInto(t *testing.T, repo string, layers [][]byte, options ...string) pulled {
	t.Helper()
	layout := t.TempDir()
	imagetest.Make(t, layout, layers...)
	p := pulled{code: "cfs-pull --init --progress plain " + strings.Join(options, " ") + " oci:" + layout + " " + tagName}
	start := time.Now()
	p.records = must(t, repo, p.code)
	p.took = time.Since(start)
	p.shown = []string{must(t, repo, "cfs-link show "+tagName)}
	p.dump = must(t, repo, "cfs-mkerofs dump "+tagName)
	return p
}

// source returns what is pulled.
func (p *pulled) source() string {
	words := strings.Fields(p.code)
	return words[len(words)-2]
}

// countCalls returns how many of the trapped calls of a pull into a new repository are
// such.
func (p *pulled) countCalls(t *testing.T, repo string, such func(trap.Call) bool) (count int) {
	t.Helper()
	r := trapped(t, repo, p.code, trap.Only(such, trap.Count(&count)))
	if r.Status != 0 || r.Stdout != p.records {
		t.Fatalf("trapped, but not disturbed: exit status %d, records\n%s\nwant\n%s\n%s", r.Status, r.Stdout, p.records, r.Stderr)
	}
	return count
}

// digest returns the digest of the only record of a kind.
func (p *pulled) digest(t *testing.T, kind string) string {
	t.Helper()
	for line := range strings.Lines(p.records) {
		if rec := parseRecord(t, line); rec.Kind == kind {
			return rec.Digest
		}
	}
	t.Fatalf("no %s", kind)
	return ""
}

// sound checks what must hold at any time, whatever was killed: all that is there is
// whole, and a tag leads to a whole image.
func (p *pulled) sound(t *testing.T, repo string) {
	t.Helper()
	if _, err := os.Lstat(repo + "/meta.json"); err != nil {
		return // it was killed before there was a repository
	}
	must(t, repo, "cfs-gc check --content")
	show := shell(t, repo, "cfs-link show "+tagName)
	if show.Status == 3 {
		return
	}
	if show.Status != 0 || !slices.Contains(p.shown, show.Stdout) {
		t.Errorf("the tagged image is: exit status %d\n%s%s\nwant\n%s", show.Status, show.Stdout, show.Stderr, strings.Join(p.shown, "or\n"))
	}
	if !strings.Contains(show.Stdout, "\nimage ") {
		return // nor had the undisturbed one
	}
	if dump := must(t, repo, "cfs-mkerofs dump "+tagName); dump != p.dump {
		t.Errorf("the tagged image has the files\n%s\nwant\n%s", dump, p.dump)
	}
}

// recovers checks that a repository is sound, and stays so over a collection, which how
// chooses, and over what pullAgain does.
func (p *pulled) recovers(t *testing.T, repo string, how int) {
	t.Helper()
	p.sound(t, repo)
	if _, err := os.Lstat(repo + "/meta.json"); err == nil && how%3 > 0 {
		collect(t, repo, how%3 == 1)
		p.sound(t, repo)
	}
	p.pullAgain(t, repo)
}

// pullAgain checks that the same command makes all complete, whatever happened to the
// repository before, and that it can be emptied then.
func (p *pulled) pullAgain(t *testing.T, repo string) {
	t.Helper()
	if got := must(t, repo, p.code); got != p.records {
		t.Errorf("pulled again, it prints\n%s\nwant\n%s", got, p.records)
	}
	p.sound(t, repo)
	wantNothing(t, repo)
}

// collect collects garbage, and with all also what an unfinished pull has stored. It
// reports whether it did: without any root it may not.
func collect(t *testing.T, repo string, all bool) bool {
	t.Helper()
	if all {
		must(t, repo, "cfs-gc --keep 0 --allow-empty")
		return true
	}
	r := shell(t, repo, "cfs-gc")
	if r.Status != 0 && !strings.Contains(r.Stderr, "--allow-empty") {
		t.Errorf("cfs-gc: exit status %d\n%s", r.Status, r.Stderr)
	}
	return r.Status == 0
}

// wantNothing checks that of an image without its tag nothing stays.
func wantNothing(t *testing.T, repo string) {
	t.Helper()
	must(t, repo, "cfs-link untag "+tagName+" && cfs-gc --allow-empty")
	wantOnlyMeta(t, repo)
}

// wantOnlyMeta checks that a repository is empty.
func wantOnlyMeta(t *testing.T, repo string) {
	t.Helper()
	err := filepath.WalkDir(repo, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && path != repo+"/meta.json" {
			t.Errorf("%s is left", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestKillAtEachCall kills a whole pull before a system call by which it changes
// something, each of them in a long test.
func TestKillAtEachCall(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	p := undisturbed(t, imagetest.SmallLayers(t))
	calls := p.countCalls(t, cmdtest.Scratch(t)+"/repo", trap.Any)
	for i, n := range cmdtest.Sample(calls, 8) {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			repo := filepath.Join(cmdtest.Scratch(t), "repo")
			p.killCall(t, repo, n)
			p.recovers(t, repo, i)
		})
	}
}

// TestKillStage kills one stage of the pipe, when it or one beside it is about to
// write a certain record: the records before it have gone through, the other stages
// go on. The exit status of the pipe must tell.
func TestKillStage(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	p := undisturbed(t, imagetest.SmallLayers(t))
	type stage struct {
		writer string
		n      int // the record that it is about to write
		victim string
	}
	var all []stage
	stages := []string{"cfs-fetch", "cfs-import", "cfs-mkerofs", "cfs-link"}
	// Three layers, config and manifest; then also an image; then also a tag.
	writes := []int{5, 5, 6, 7}
	for i, writer := range stages {
		for n := 1; n <= writes[i]; n++ {
			for _, victim := range stages[max(0, i-1):min(i+2, len(stages))] {
				all = append(all, stage{writer, n, victim})
			}
		}
	}
	for _, k := range cmdtest.Sample(len(all), 12) {
		s := all[k-1]
		t.Run(fmt.Sprintf("%s at record %d of %s", s.victim, s.n, s.writer), func(t *testing.T) {
			t.Parallel()
			p.killStage(t, s.writer, s.n, s.victim)
		})
	}
}

func (p *pulled) killStage(t *testing.T, writer string, n int, victim string) {
	repo := filepath.Join(cmdtest.Scratch(t), "repo")
	// cfs-pull itself calls cfs-link once before the pipe, here it must not count.
	pipe := "cfs-fetch " + p.source() + " | cfs-import --init --insecure | cfs-mkerofs | cfs-link --tag " + tagName
	written := func(c trap.Call) bool { return c.Tool == writer && c.Nr == unix.SYS_WRITE }
	killed := false
	r := trapped(t, repo, pipe, trap.Only(written, trap.Nth(n, func(c trap.Call) error {
		killed = true
		err := trap.KillTool(c.Group, victim)
		if err == nil && victim == writer {
			return trap.ErrDead
		}
		return err
	})))
	if !killed {
		t.Fatalf("%s wrote fewer than %d records", writer, n)
	}
	tagged := shell(t, repo, "cfs-link show "+tagName).Status == 0
	if r.Status == 0 && !tagged || tagged && r.Status != 0 && !strings.Contains(victim, "cfs-link") && !strings.Contains(writer, "cfs-link") {
		t.Errorf("exit status %d, tagged: %v\n%s", r.Status, tagged, r.Stderr)
	}
	p.recovers(t, repo, n)
}

// TestKillAnyTime kills whole pulls of some size at random times.
func TestKillAnyTime(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	p := undisturbed(t, imagetest.ManyFiles(t))
	random := rand.New(rand.NewPCG(1, 2))
	for n := range cmdtest.Soak(10, 1000) {
		after := time.Duration(random.Float64() * 1.2 * float64(p.took))
		t.Run(fmt.Sprint(n, " after ", after), func(t *testing.T) {
			t.Parallel()
			repo := filepath.Join(cmdtest.Scratch(t), "repo")
			c := exec.Command("sh", "-c", p.code)
			c.Env = environ(t, repo)
			c.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			timer := time.AfterFunc(after, func() { trap.KillGroup(c.Process.Pid) })
			c.Wait() // its status says nothing here
			timer.Stop()
			p.recovers(t, repo, n)
		})
	}
}

// TestResume kills cfs-import after it has said of some layers that they are stored.
// Those stay over a collection, and a second pull stores nothing of them again.
func TestResume(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	p := undisturbed(t, imagetest.ManyFiles(t))
	const layers = 5 // of manyFiles
	for n := 0; n <= layers; n += cmdtest.Soak(2, 1) {
		for _, gc := range []string{"", "cfs-gc --allow-empty"} {
			t.Run(fmt.Sprint(n, " layers ", gc), func(t *testing.T) {
				t.Parallel()
				repo := filepath.Join(cmdtest.Scratch(t), "repo")
				finished := p.importSome(t, repo, n)
				must(t, repo, gc)
				before := inodes(t, repo)
				for _, record := range finished {
					if stream := "/streams/oci-layer-" + parseRecord(t, record).Get("diff-id"); before[stream] == 0 {
						t.Errorf("%s is not there", stream)
					}
				}
				r := shell(t, repo, p.code)
				if r.Status != 0 || r.Stdout != p.records {
					t.Errorf("exit status %d, records\n%s\nwant\n%s\n%s", r.Status, r.Stdout, p.records, r.Stderr)
				}
				for _, record := range finished {
					if want := strings.Fields(record)[1] + ": present\n"; !strings.Contains(r.Stderr, want) {
						t.Errorf("stderr does not say %q:\n%s", want, r.Stderr)
					}
				}
				after := inodes(t, repo)
				for path, inode := range before {
					if after[path] != inode && !strings.Contains(path, "/cfs-lease/") {
						t.Errorf("%s was made again", path)
					}
				}
			})
		}
	}
}

// importSome kills cfs-import when it is about to write the record after the first n,
// and returns these.
func (p *pulled) importSome(t *testing.T, repo string, n int) (records []string) {
	t.Helper()
	code := "cfs-fetch " + p.source() + " | cfs-import --init --insecure --progress none"
	count := 0
	r := trapped(t, repo, code, trap.Only(trap.Of("cfs-import"), func(c trap.Call) error {
		if c.Nr == unix.SYS_WRITE {
			count++
		}
		if count <= n {
			return nil
		}
		if err := trap.KillTool(c.Group, c.Tool); err != nil {
			return err
		}
		return trap.ErrDead
	}))
	records = strings.Split(strings.TrimSpace(r.Stdout), "\n")
	if n == 0 {
		records = nil
	}
	if len(records) != n || count != n+1 || n > 0 && !strings.HasPrefix(records[n-1], "layer ") {
		t.Fatalf("%d records came, want %d layers: %q", len(records), n, records)
	}
	return records
}

func parseRecord(t *testing.T, line string) record.Record {
	t.Helper()
	rec, err := record.Parse(strings.TrimSuffix(line, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// inodes returns the inode number of each file and link of a repository, by its path
// in there. What is written again gets another one.
func inodes(t *testing.T, repo string) map[string]uint64 {
	t.Helper()
	found := make(map[string]uint64)
	err := filepath.WalkDir(repo, func(path string, d fs.DirEntry, err error) error {
		var st unix.Stat_t
		if err == nil && !d.IsDir() {
			if err = unix.Lstat(path, &st); err == nil {
				found[strings.TrimPrefix(path, repo)] = st.Ino
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
