package cmd

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/writelog"
)

// powerReplayEnv names, in the virtual machine, the disks whose logs TestPowerReplay reads.
const powerReplayEnv = "CFS_TEST_POWER_REPLAY"

// TestPowerReplay is the part of TestPowerLog that checks file systems with fs-verity, in a
// virtual machine.
func TestPowerReplay(t *testing.T) {
	disks := os.Getenv(powerReplayEnv)
	if disks == "" {
		t.Skip("SKIPPED: it is run by TestPowerLog, in a virtual machine")
	}
	t.Setenv("CFS_SOAK", "1")
	for _, name := range strings.Fields(disks) {
		t.Run(name, func(t *testing.T) { replayPower(t, "/share", name) })
	}
}

// replay is the log of a disk, and what is durable of it up to some entry.
type replay struct {
	*testing.T
	log    *writelog.Log
	images string // the folder of layouts
	disk   powerDisk
	base   *os.File
	done   int // entries that are in base
	marks  map[int]string
	random *rand.Rand
	torn   int // objects that no name leads to
}

// replayPower checks what is left by power cuts at writes of a log, the same in each run.
func replayPower(t *testing.T, dir, name string) {
	t.Helper()
	r := openReplay(t, dir, name)
	cuts := r.cuts(cmdtest.Soak(r.disk.few, r.disk.states))
	for _, n := range cuts {
		r.cut(n)
	}
	t.Logf("%s: %d writes and flushes, %d marks: %d power cuts tried, with %d torn objects without a name; failed: %v", name, len(r.log.Entries), len(r.marks), len(cuts), r.torn, t.Failed())
}

func openReplay(t *testing.T, dir, name string) *replay {
	t.Helper()
	log, err := writelog.Open(dir + "/" + name + ".log")
	if err != nil {
		t.Fatal(err)
	}
	marks, err := log.Marks()
	if err != nil {
		t.Fatal(err)
	}
	base := cmdtest.Scratch(t) + "/base"
	disk := copyDisk(t, dir+"/"+name+".disk", base)
	t.Cleanup(func() { disk.Close(); log.Close() })
	if !slices.Contains(slices.Collect(maps.Values(marks)), "end") {
		t.Fatalf("the log does not come to its end: %v", marks)
	}
	return &replay{T: t, log: log, images: dir + "/images", disk: powerDisks[name], base: disk, marks: marks, random: rand.New(rand.NewPCG(5, 7))}
}

// cuts returns at which entries the power is cut: one in three right behind a mark, when
// just something was promised.
func (r *replay) cuts(states int) (list []int) {
	at := slices.Sorted(maps.Keys(r.marks))
	for i := range states {
		if i%3 == 0 {
			list = append(list, at[r.random.IntN(len(at))]+1)
		} else {
			list = append(list, at[0]+1+r.random.IntN(len(r.log.Entries)-at[0]))
		}
	}
	slices.Sort(list) // so that what is durable is written once
	return list
}

// cut makes the disk after a power cut before an entry, and checks it. Of what was not
// flushed yet everything may have come to the disk, nothing, or any part of it.
func (r *replay) cut(n int) {
	durable := r.log.Before(n)
	for ; r.done < durable; r.done++ {
		r.apply(r.base, r.done)
	}
	dir := cmdtest.Scratch(r)
	defer os.RemoveAll(dir)
	if err := os.Mkdir(dir+"/mnt", 0o755); err != nil {
		r.Fatal(err)
	}
	disk := copyDisk(r, r.base.Name(), dir+"/disk")
	chance := []float64{0, 1, 0.5, 0.9}[r.random.IntN(4)]
	for i := durable; i < n; i++ {
		if r.log.Entries[i].Flags&writelog.FUA != 0 || r.random.Float64() < chance {
			r.apply(disk, i)
		}
	}
	if err := disk.Close(); err != nil {
		r.Fatal(err)
	}
	if m := shell(r, "", fmt.Sprintf("mount -t %s -o loop %s/disk %s/mnt", r.disk.fs, dir, dir)); m.Status != 0 {
		r.Errorf("cut before write %d, of the rest %v: not mounted: %s", n, chance, m.Stderr)
		return
	}
	defer unix.Unmount(dir+"/mnt", 0)
	c := afterPower{replay: r, repo: dir + "/mnt/repo", what: fmt.Sprintf("cut before write %d, of the rest %v", n, chance), promises: r.promises(n)}
	c.check()
}

// copyDisk copies a file, but not its holes, and returns the copy.
func copyDisk(t testing.TB, from, to string) *os.File {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	for at := int64(0); ; {
		start, err := unix.Seek(int(in.Fd()), at, unix.SEEK_DATA)
		if err == unix.ENXIO {
			break // behind it is no more
		}
		if err == nil {
			at, err = unix.Seek(int(in.Fd()), start, unix.SEEK_HOLE)
		}
		if err == nil {
			_, err = io.Copy(io.NewOffsetWriter(out, start), io.NewSectionReader(in, start, at-start))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Truncate(powerSize); err != nil {
		t.Fatal(err)
	}
	return out
}

func (r *replay) apply(disk *os.File, n int) {
	if err := r.log.Apply(disk, r.log.Entries[n]); err != nil {
		r.Fatal(err)
	}
}

// promises are what must hold after a cut.
type promises struct {
	pulls []string          // images that have been pulled, or are being pulled
	names map[string]bool   // what must be there
	tags  map[string]string // the digest of each
}

// promises reads the marks before an entry.
func (r *replay) promises(n int) promises {
	p := promises{names: map[string]bool{}, tags: map[string]string{}}
	for _, at := range slices.Sorted(maps.Keys(r.marks)) {
		if at >= n {
			break
		}
		words := strings.Fields(r.marks[at])
		switch words[0] {
		case "pull":
			p.pulls = append(p.pulls, words[1])
		case "name":
			p.names[words[1]] = true
		case "tag":
			p.tags[words[1]] = words[2]
		case "untag": // the collection after it may have begun
			delete(p.tags, words[1])
			clear(p.names)
		}
	}
	return p
}

// afterPower is a repository after a power cut.
type afterPower struct {
	*replay
	promises
	repo, what string
}

func (a *afterPower) fail(format string, args ...any) {
	a.Helper()
	a.Errorf("%s: %s", a.what, fmt.Sprintf(format, args...))
}

// check: what has a name is whole, what was promised is there, and what was being pulled is
// pulled again, whole.
func (a *afterPower) check() {
	if _, err := os.Lstat(a.repo + "/meta.json"); err != nil {
		if len(a.names)+len(a.tags) > 0 {
			a.fail("there is no repository, and %v, %v were promised", a.names, a.tags)
		}
		return
	}
	a.checkNames()
	a.checkTags()
	if len(a.pulls) == 0 {
		return
	}
	pull := "cfs-pull --progress none oci:" + a.images + "/" + a.pulls[len(a.pulls)-1] + " healed"
	if r := shell(a, a.repo, pull); r.Status != 0 {
		a.fail("pulled again: exit status %d\n%s", r.Status, r.Stderr)
	} else if r := shell(a, a.repo, "cfs-gc check --content healed"); r.Status != 0 {
		a.fail("pulled again, and not whole: exit status %d\n%s%s", r.Status, r.Stdout, r.Stderr)
	}
}

// checkNames: objects to which no name leads may be torn.
func (a *afterPower) checkNames() {
	for name := range a.names {
		if _, err := os.Lstat(a.repo + "/" + name); err != nil {
			a.fail("promised: %v", err)
		}
	}
	r := shell(a, a.repo, "cfs-gc check --content --json")
	var report struct{ Errors []string }
	if err := json.Unmarshal([]byte(r.Stdout), &report); err != nil {
		a.fail("cfs-gc check: exit status %d, %v\n%s", r.Status, err, r.Stderr)
	}
	for _, e := range report.Errors {
		if strings.HasPrefix(e, "fsck: object-") {
			a.torn++
		} else {
			a.fail("it has a name, and is not whole: %s", e)
		}
	}
}

// checkTags: each leads to a whole image, and those that were promised to theirs, or to one
// that has been linked since.
func (a *afterPower) checkTags() {
	for _, tag := range []string{"web", "other"} {
		r := shell(a, a.repo, "cfs-link show "+tag)
		if r.Status == 0 {
			if c := shell(a, a.repo, "cfs-gc check --content "+tag); c.Status != 0 {
				a.fail("tag %s: exit status %d\n%s%s", tag, c.Status, c.Stdout, c.Stderr)
			}
		} else if a.tags[tag] != "" {
			a.fail("tag %s was promised: exit status %d\n%s", tag, r.Status, r.Stderr)
		}
	}
}
