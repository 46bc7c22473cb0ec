package cmd

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

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

// wantNothing checks that of an image without its tag nothing stays. Another test, of another repository, may have the
// same image mounted for a while, which keeps it here too.
func wantNothing(t *testing.T, repo string) {
	t.Helper()
	must(t, repo, "cfs-link untag "+tagName)
	for range 50 {
		must(t, repo, "cfs-gc --allow-empty")
		images, err := filepath.Glob(repo + "/images/*")
		if err != nil {
			t.Fatal(err)
		}
		if len(images) <= 1 { // refs
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
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

func parseRecord(t testing.TB, line string) record.Record {
	t.Helper()
	rec, err := record.Parse(strings.TrimSuffix(line, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return rec
}
