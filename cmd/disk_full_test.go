package cmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/trap"
)

// TestFullAtEachCall fails, as a full disk does, a system call of a whole pull, each of
// them in a long test. What fails says so, and the same command succeeds afterwards.
func TestFullAtEachCall(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	p := undisturbed(t, imagetest.SmallLayers(t))
	calls := p.countCalls(t, cmdtest.Scratch(t)+"/repo", trap.Changes)
	for i, n := range cmdtest.Sample(calls, 7) {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			repo := filepath.Join(cmdtest.Scratch(t), "repo")
			failed := ""
			r := trapped(t, repo, p.code, trap.Only(trap.Changes, trap.Nth(n, func(c trap.Call) error {
				failed = c.Tool
				return unix.ENOSPC
			})))
			if failed != "" { // else there were fewer calls this time
				wantError(t, r, 1, failed+": ", "no space left on device")
			}
			p.recovers(t, repo, i)
		})
	}
}

// fill takes the free space of a file system but for some bytes, which come free
// again when the file that it returns is removed.
func fill(t *testing.T, dir string, but int64) (filler string) {
	t.Helper()
	filler = dir + "/filler"
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zeros := make([]byte, 1<<20)
	for size := len(zeros); size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(zeros[:size])
		}
		if !errors.Is(err, unix.ENOSPC) {
			t.Fatal(err)
		}
	}
	end, err := f.Seek(0, io.SeekCurrent)
	if err == nil {
		err = f.Truncate(max(0, end-but))
	}
	if err = errors.Join(err, f.Sync()); err != nil {
		t.Fatal(err)
	}
	return filler
}

// diskLayers are those of the images that do not fit a disk: two large files, or in a
// long test many of all sizes.
func diskLayers(t *testing.T) [][]byte {
	t.Helper()
	if cmdtest.Long() {
		return imagetest.ManyFiles(t)
	}
	return imagetest.NoiseLayers(t, 3, 900_000, 800_000)
}

// TestFullDisk lets the disk be full at each stage in turn.
func TestFullDisk(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	p := undisturbed(t, diskLayers(t))
	source := p.source()
	stages := []string{
		"cfs-fetch " + source,
		"cfs-import --init --insecure --progress none",
		"cfs-mkerofs",
		"cfs-link --tag " + tagName,
	}
	free := []int64{1: 1 << 20, 2: 0, 3: 0}
	for full, want := range []string{1: "cfs-import: layer sha256:", 2: "cfs-mkerofs: manifest sha256:", 3: "cfs-link: config sha256:"} {
		if want == "" {
			continue
		}
		t.Run(strings.Fields(stages[full])[0], func(t *testing.T) {
			dir, _ := mountImage(t, cmdtest.Soak(12, 32), "rw")
			repo, records := dir+"/repo", filepath.Join(t.TempDir(), "records")
			must(t, repo, strings.Join(stages[:full], " | ")+" > "+records)
			filler := fill(t, dir, free[full])
			r := shell(t, repo, strings.Join(append([]string{"cat " + records}, stages[full:]...), " | "))
			wantError(t, r, 1, want, "no space left on device")
			if strings.Count(r.Stderr, "\n") != 1 || strings.Contains(r.Stdout, "manifest ") {
				t.Errorf("said more than one stage's error:\n%s%s", r.Stdout, r.Stderr)
			}
			p.sound(t, repo)
			if err := os.Remove(filler); err != nil {
				t.Fatal(err)
			}
			p.recovers(t, repo, 0)
		})
	}
}

// What is full can be emptied.
func TestCollectFullDisk(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	p := undisturbed(t, diskLayers(t))
	dir, _ := mountImage(t, cmdtest.Soak(12, 32), "rw")
	repo := dir + "/repo"
	must(t, repo, p.code)
	fill(t, dir, 0)
	wantNothing(t, repo)
}
