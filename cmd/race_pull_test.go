package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
)

// TestTwoPulls: two pulls of one image at once, into a repository that is not there
// yet, are as good as one.
func TestTwoPulls(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	base, layout := cmdtest.Scratch(t), t.TempDir()
	imagetest.Make(t, layout, imagetest.ManyFiles(t)...)
	pull := "cfs-pull --init --insecure --progress none oci:" + layout
	one := filepath.Join(base, "one")
	must(t, one, pull+" a")
	must(t, one, pull+" b")
	want := contents(t, one)
	for i := range 4 {
		repo := filepath.Join(base, fmt.Sprint(i))
		must(t, repo, pull+" a >"+repo+".a & first=$!; "+pull+" b >"+repo+".b && wait $first")
		if diff := cmp.Diff(want, contents(t, repo)); diff != "" {
			t.Fatalf("round %d (-one after the other +at once):\n%s", i, diff)
		}
		must(t, repo, "cfs-gc check")
		if err := os.RemoveAll(repo); err != nil {
			t.Fatal(err)
		}
	}
}

// meanwhile runs a command again and again, which must succeed each time, while do runs.
func meanwhile(t *testing.T, repo, code string, do func()) {
	t.Helper()
	done := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() {
		for n := 1; ; n++ {
			if r := shell(t, repo, code); r.Status != 0 {
				t.Errorf("%s, run %d: exit status %d\n%s%s", code, n, r.Status, r.Stdout, r.Stderr)
				return
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	do()
	close(done)
	others.Wait()
}

// TestPullsAndCollections: collections that run again and again while images are
// pulled make a pull start anew at worst, and break nothing.
func TestPullsAndCollections(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	repo, layout := filepath.Join(cmdtest.Scratch(t), "repo"), t.TempDir()
	imagetest.Make(t, layout, imagetest.Tar(t, dir("usr", 0o755), file("usr/a", strings.Repeat("x", 100))), imagetest.Tar(t, file("usr/b", strings.Repeat("y", 100))))
	must(t, repo, "cfs-import --init --insecure")
	pull := "cfs-pull --progress none oci:" + layout + " t"
	meanwhile(t, repo, "cfs-gc --allow-empty --keep 0s", func() {
		for i := range 10 {
			again := 0
			for ; ; again++ {
				r := shell(t, repo, fmt.Sprint(pull, i))
				if r.Status == 0 {
					break
				}
				if r.Status != 75 || again == 1000 {
					t.Errorf("pull %d, run %d: exit status %d\n%s%s", i, again+1, r.Status, r.Stdout, r.Stderr)
					return
				}
			}
			must(t, repo, fmt.Sprint("cfs-link untag t", i))
		}
	})
	must(t, repo, pull+" && cfs-gc check --content")
}

// TestLeasesOfAnother: a pull that ends takes all leases for its manifest with it, also
// those of another pull of the same image, which then goes on all the same.
func TestLeasesOfAnother(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	base, layout := cmdtest.Scratch(t), t.TempDir()
	imagetest.Make(t, layout, imagetest.Tar(t, dir("usr", 0o755)), imagetest.Tar(t, file("usr/a", "")), imagetest.Tar(t, file("usr/b", "")))
	repo, records := filepath.Join(base, "repo"), filepath.Join(base, "records")
	must(t, repo, "cfs-pull --init --insecure --progress none oci:"+layout+" t && cfs-link show t >"+records)
	meanwhile(t, repo, "cfs-link --no-tag <"+records, func() {
		for i := range 100 {
			if r := shell(t, repo, "cfs-import --progress none <"+records); r.Status != 0 {
				t.Errorf("import %d: exit status %d\n%s%s", i, r.Status, r.Stdout, r.Stderr)
			}
		}
	})
	must(t, repo, "cfs-gc check")
}
