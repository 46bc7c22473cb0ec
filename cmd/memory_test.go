package cmd

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/footprint"
	"cfs/cmd/internal/imagetest"
)

// peak runs a tool with stdin, and returns the most memory that it has used, in bytes.
func peak(t *testing.T, repo, stdin, code string) int64 {
	t.Helper()
	name := filepath.Join(t.TempDir(), "stdin")
	if err := os.WriteFile(name, []byte(stdin), 0o644); err != nil {
		t.Fatal(err)
	}
	r, kib := footprint.Run(t, code+" <"+cmdtest.Quote(name), environ(t, repo))
	if r.Status != 0 {
		t.Fatalf("%s: %+v", code, r)
	}
	return kib << 10
}

// wantPeak compares memory with what may be used for so many names, of so many bytes
// together with the extended attributes.
func wantPeak(t *testing.T, what string, got int64, names, bytes int) {
	t.Helper()
	if most := int64(256<<20 + 450*names + bytes); got > most {
		t.Errorf("%s: %d MiB, at most %d are promised", what, got>>20, most>>20)
	} else {
		t.Logf("%s: %d MiB, %d bytes a name", what, got>>20, got/int64(names))
	}
}

// TestFault19: a layer of a few kilobytes had as many directories without an entry as it
// liked. They are bounded, and so is the memory for each name.
func TestFault19(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	repo := filepath.Join(t.TempDir(), "repo")
	const depth, limit = 50, 250_000
	layer := func(dirs int) string {
		var members []imagetest.Member
		for i := range dirs / depth {
			members = append(members, imagetest.File(fmt.Sprintf("p%05d%s/f", i, strings.Repeat("/a", depth-1)), ""))
		}
		layout := t.TempDir()
		imagetest.Make(t, layout, imagetest.Tar(t, members...))
		return layout
	}
	pull := func(dirs int) string {
		return must(t, repo, "cfs-fetch --progress none oci:"+cmdtest.Quote(layer(dirs))+" | cfs-import --progress none --init --insecure")
	}
	names := limit + limit/depth
	wantPeak(t, "implied directories", peak(t, repo, pull(limit), "cfs-mkerofs"), names, 8*names)
	r := shell(t, repo, "cfs-mkerofs <<'END'\n"+pull(limit+depth)+"END\n")
	wantError(t, r, 1, "layer sha256:", "more than 250000 directories have no entry of their own")
}

// TestMemory measures what a million names take, in a few directories and each in a
// directory of its own.
func TestMemory(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	count := cmdtest.Soak(100_000, 1_000_000)
	for _, v := range []struct{ what, mode string }{{"files", "100644"}, {"directories", "40755"}} {
		name := filepath.Join(t.TempDir(), "dump")
		f, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		w := bufio.NewWriter(f)
		line := func(path, mode string) { fmt.Fprintf(w, "%s 0 %s 1 0 0 0 0.0 - - -\n", path, mode) }
		line("/", "40755")
		bytes := 0
		for i := range count / 50 {
			dir := fmt.Sprintf("/d%d", i)
			line(dir, "40755")
			for n := range 49 {
				path := fmt.Sprintf("%s/%d", dir, n)
				line(path, v.mode)
				if v.mode == "40755" {
					dir = path
				}
				bytes += 2
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		wantPeak(t, v.what, peak(t, "", "", "cfs-mkerofs --dumpfile "+cmdtest.Quote(name)+" -o /dev/null"), count, bytes)
		os.Remove(name)
	}
}
