package cmd

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
)

// TestDamageEach damages one thing of a repository: a bit, the length, the content or the
// type of a file, or where a name leads. cfs-gc check --content finds each and names it, and
// with --repair, the same pulls and a collection all is as it was, bit for bit.
//
// Bits of meta.json are not among them: in an insecure repository nothing says what they
// were.
func TestDamageEach(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	d := newDamaged(t)
	tried := 0
	for i := range cmdtest.Soak(len(damageKinds), 150*len(damageKinds)) {
		which := i + i/len(damageKinds) // so that each kind meets each class
		class := d.classes[which%len(d.classes)]
		if damageKinds[i%len(damageKinds)].links {
			class = d.names[which%len(d.names)]
		}
		d.try(damageKinds[i%len(damageKinds)], class[d.random.IntN(len(class))], i%4 == 0)
		tried++
	}
	t.Logf("%d damaged things tried, failed: %v", tried, t.Failed())
}

// damageKind is a way to damage a file or a link. It returns false if this one cannot be damaged
// so.
type damageKind struct {
	name  string
	links bool // it is for links
	do    func(d *damaged, path string) bool
}

var damageKinds = []damageKind{
	{"bit", false, func(d *damaged, path string) bool {
		return d.rewrite(path, func(b []byte) []byte {
			n := d.random.IntN(8 * len(b))
			b[n/8] ^= 1 << (n % 8)
			return b
		})
	}},
	{"another bit", false, func(d *damaged, path string) bool {
		return d.rewrite(path, func(b []byte) []byte {
			b[len(b)-1-d.random.IntN(min(64, len(b)))] ^= 1
			return b
		})
	}},
	{"cut off", false, func(d *damaged, path string) bool {
		return d.rewrite(path, func(b []byte) []byte { return b[:d.random.IntN(len(b))] })
	}},
	{"emptied", false, func(d *damaged, path string) bool { return d.rewrite(path, func([]byte) []byte { return nil }) }},
	{"zeros", false, func(d *damaged, path string) bool {
		return d.rewrite(path, func(b []byte) []byte { return make([]byte, len(b)) })
	}},
	{"longer", false, func(d *damaged, path string) bool {
		return d.rewrite(path, func(b []byte) []byte { return append(b, make([]byte, 1+d.random.IntN(5000))...) })
	}},
	{"content of another", false, func(d *damaged, path string) bool {
		return d.rewrite(path, func(b []byte) []byte { return d.otherContent(b) })
	}},
	{"removed", false, func(d *damaged, path string) bool { return true }},
	{"link out", false, func(d *damaged, path string) bool {
		return d.put(path, os.Symlink("../../../../../../../../etc/passwd", path))
	}},
	{"directory", false, func(d *damaged, path string) bool { return d.put(path, os.Mkdir(path, 0o755)) }},
	{"FIFO", false, func(d *damaged, path string) bool { return d.put(path, unix.Mkfifo(path, 0o644)) }},
	{"device", false, func(d *damaged, path string) bool {
		return d.put(path, unix.Mknod(path, unix.S_IFCHR|0o644, int(unix.Mkdev(1, 5))))
	}},
	{"name to nowhere", true, func(d *damaged, path string) bool {
		target := d.link(path)
		return d.put(path, os.Symlink(target[:len(target)-4]+"0000", path))
	}},
	{"name out", true, func(d *damaged, path string) bool {
		return d.put(path, os.Symlink("../../../../../../etc/passwd", path))
	}},
	{"name of another", true, func(d *damaged, path string) bool {
		other := d.otherName(path)
		return other != "" && d.put(path, os.Symlink(other, path))
	}},
	{"name is a file", true, func(d *damaged, path string) bool { return d.put(path, os.WriteFile(path, []byte("x"), 0o644)) }},
	{"name is a directory", true, func(d *damaged, path string) bool { return d.put(path, os.Mkdir(path, 0o755)) }},
	{"name is a FIFO", true, func(d *damaged, path string) bool { return d.put(path, unix.Mkfifo(path, 0o644)) }},
	{"name to itself", true, func(d *damaged, path string) bool { return d.put(path, os.Symlink(filepath.Base(path), path)) }},
}

// damaged is a repository in which something is damaged.
type damaged struct {
	*stand
	repo    string // the one that is damaged
	content map[string]string
	classes [][]string // files of the repository, by what they are
	names   [][]string // its names, by their kind
	random  *rand.Rand
}

func newDamaged(t *testing.T) *damaged {
	t.Helper()
	d := &damaged{stand: newStand(t), random: rand.New(rand.NewPCG(3, 4))}
	must(t, d.whole, "cfs-mkerofs --oci a --store --ref mine >/dev/null && cfs-gc --keep 0 && cfs-gc check --content")
	d.pulls["mine"] = "cfs-mkerofs --oci a --store --ref mine"
	d.repo, d.content = d.copy(), contentOf(t, d.whole)
	kinds := map[string]string{} // of objects, by path
	named := map[string][]string{}
	for _, pattern := range []string{"streams/oci-layer-*", "streams/oci-config-*", "streams/oci-manifest-*", "images/[0-9a-f]*"} {
		names, err := filepath.Glob(d.whole + "/" + pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %v, %v", pattern, names, err)
		}
		for _, name := range names {
			named[pattern] = append(named[pattern], strings.TrimPrefix(name, d.whole))
			target, err := filepath.EvalSymlinks(name)
			if err != nil {
				t.Fatal(err)
			}
			kinds[strings.TrimPrefix(target, d.whole)] = pattern
		}
		d.names = append(d.names, named[pattern])
	}
	classes := map[string][]string{}
	for path := range d.content {
		if strings.HasPrefix(path, "/objects/") {
			classes[kinds[path]] = append(classes[kinds[path]], path) // "" for what has no name of its own
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(classes)) {
		slices.Sort(classes[kind])
		d.classes = append(d.classes, classes[kind])
	}
	return d
}

// contentOf returns what each file of a repository holds, and where each link leads.
func contentOf(t testing.TB, repo string) map[string]string {
	t.Helper()
	content := map[string]string{}
	err := filepath.WalkDir(repo, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name := strings.TrimPrefix(path, repo)
		if strings.HasPrefix(name, "/cfs/") {
			return nil
		}
		if e.Type()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(path)
			content[name] = "-> " + target
			return err
		}
		if !e.Type().IsRegular() {
			content[name] = e.Type().String()
			return nil
		}
		text, err := os.ReadFile(path)
		content[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// rewrite puts other content in the place of a file's. It returns false if it is the same.
func (d *damaged) rewrite(path string, do func([]byte) []byte) bool {
	old := []byte(d.content[strings.TrimPrefix(path, d.repo)])
	text := do(bytes.Clone(old))
	return !bytes.Equal(text, old) && d.put(path, os.WriteFile(path, text, 0o644))
}

func (d *damaged) put(path string, err error) bool {
	if err != nil {
		d.t.Fatal(err)
	}
	return true
}

func (d *damaged) link(path string) string {
	return strings.TrimPrefix(d.content[strings.TrimPrefix(path, d.repo)], "-> ")
}

// otherContent returns what another object holds.
func (d *damaged) otherContent(not []byte) []byte {
	all := slices.Concat(d.classes...)
	for {
		if text := d.content[all[d.random.IntN(len(all))]]; text != string(not) {
			return []byte(text)
		}
	}
}

// otherName returns where another name of the same kind leads, "" if there is none.
func (d *damaged) otherName(path string) string {
	for _, list := range d.names {
		if !slices.Contains(list, strings.TrimPrefix(path, d.repo)) {
			continue
		}
		for _, i := range d.random.Perm(len(list)) {
			if target := strings.TrimPrefix(d.content[list[i]], "-> "); target != d.link(path) {
				return target
			}
		}
	}
	return ""
}

// try damages one thing, which is found; heal says whether it is healed then.
func (d *damaged) try(how damageKind, name string, heal bool) {
	d.t.Helper()
	path := d.repo + name
	if err := os.Remove(path); err != nil {
		d.t.Fatal(err)
	}
	if !how.do(d, path) {
		d.restore(name)
		return
	}
	complain := func(format string, args ...any) {
		d.t.Helper()
		d.t.Errorf("%s: %s: %s", how.name, name, fmt.Sprintf(format, args...))
	}
	r := shell(d.t, d.repo, "timeout -s KILL 60 cfs-gc check --content")
	if r.Status != 4 || strings.Contains(r.Stderr, "goroutine ") {
		complain("not found: exit status %d\n%s%s", r.Status, r.Stdout, r.Stderr)
	} else if !namedIn(r.Stdout+r.Stderr, name) {
		complain("found, but not named:\n%s%s", r.Stdout, r.Stderr)
	}
	if strings.HasSuffix(how.name, "directory") { // a stray, which only a person may remove
		heal = false
	}
	if !heal {
		d.restore(name)
		return
	}
	if r := shell(d.t, d.repo, "timeout -s KILL 60 cfs-gc check --content --repair"); r.Status != 4 {
		complain("repair: exit status %d\n%s%s", r.Status, r.Stdout, r.Stderr)
	}
	if r := shell(d.t, d.repo, d.pulls["a"]+" && "+d.pulls["b"]+" && "+d.pulls["mine"]+" && cfs-gc --keep 0"); r.Status != 0 {
		complain("pulled again: exit status %d\n%s", r.Status, r.Stderr)
	}
	now := contentOf(d.t, d.repo)
	for path, text := range d.content {
		if now[path] != text {
			complain("not healed: %s", path)
		}
	}
	for path := range now {
		if _, ok := d.content[path]; !ok {
			complain("left over: %s", path)
		}
	}
	if d.t.Failed() {
		os.RemoveAll(d.repo)
		d.repo = d.copy()
	}
}

// namedIn reports whether a report names what is damaged, by its path or by its digest.
func namedIn(report, name string) bool {
	base := filepath.Base(name)
	return strings.Contains(report, base) || strings.Contains(report, base[strings.LastIndex(base, ":")+1:])
}

// restore puts back what was damaged.
func (d *damaged) restore(name string) {
	d.t.Helper()
	path := d.repo + name
	os.Remove(path) // it may not be there
	if target, ok := strings.CutPrefix(d.content[name], "-> "); ok {
		d.put(path, os.Symlink(target, path))
	} else {
		d.put(path, os.WriteFile(path, []byte(d.content[name]), 0o644))
	}
}
