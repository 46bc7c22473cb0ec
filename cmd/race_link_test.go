package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/trap"
)

// TestLinkTogether runs a cfs-link while another one is at some system call. Each adds an
// EROFS image to the same config, and both stay.
func TestLinkTogether(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	p := undisturbed(t, imagetest.SmallLayers(t))
	template := filepath.Join(cmdtest.Scratch(t), "repo")
	must(t, template, "cfs-fetch "+p.source()+" | cfs-import --init --insecure --progress none | cfs-link --tag "+tagName)
	add := func(version int) string {
		return fmt.Sprintf("cfs-link show %s | cfs-mkerofs --erofs-version %d | cfs-link --tag %s", tagName, version, tagName)
	}
	calls := 0
	trapped(t, copyOf(t, template), add(1), trap.Only(ofLink, trap.Count(&calls)))
	for _, n := range cmdtest.Sample(calls, 4) {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			repo, begun, ended := copyOf(t, template), false, make(chan result, 1)
			first := trapped(t, repo, add(1), trap.Only(ofLink, trap.Nth(n, func(trap.Call) error {
				begun = true
				go func() { ended <- shell(t, repo, add(2)) }()
				select {
				case r := <-ended:
					ended <- r
				case <-time.After(300 * time.Millisecond): // it waits for the lock of the first
				}
				return nil
			})))
			if !begun {
				t.Fatalf("there were fewer than %d calls", n)
			}
			second := <-ended
			if first.Status != 0 || second.Status != 0 {
				t.Errorf("exit status %d and %d\n%s%s", first.Status, second.Status, first.Stderr, second.Stderr)
			}
			if shown := must(t, repo, "cfs-gc check --content && cfs-link show "+tagName); strings.Count(shown, "\nimage ") != 2 {
				t.Errorf("an image is lost:\n%s", shown)
			}
		})
	}
}

// TestTwoLinks: of two cfs-link that give one config different images at once, neither
// loses what the other has given it.
func TestTwoLinks(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	base, layout := cmdtest.Scratch(t), t.TempDir()
	fresh := filepath.Join(base, "fresh")
	imagetest.Make(t, layout, imagetest.Tar(t, dir("usr", 0o755), file("usr/a", strings.Repeat("x", 100))))
	must(t, fresh, "cfs-pull --init --insecure --progress none oci:"+layout+" t")
	store := func(options string) string {
		return strings.TrimSpace(must(t, fresh, "cfs-mkerofs dump t | sed 's/ 40755 / 40700 /' | cfs-mkerofs --store --dumpfile - "+options))
	}
	images := []string{
		"image " + store("--erofs-version 2") + " variant=plain erofs-version=2",
		"image " + store("") + " variant=boot erofs-version=1",
	}
	for i, image := range images {
		text := must(t, fresh, "cfs-link show t | sed '/^image/d; /^manifest/i "+image+"'")
		if err := os.WriteFile(fmt.Sprintf("%s/records%d", base, i), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	plain := must(t, fresh, "cfs-link show t | grep ^image")
	for i := range 20 {
		repo := filepath.Join(base, fmt.Sprint(i))
		must(t, repo, fmt.Sprintf(`cp -a %s %s && cd %s
			cfs-link --tag a <records0 >out0 & first=$!
			cfs-link --tag b <records1 >out1 && wait $first`, fresh, repo, base))
		for _, tag := range []string{"t", "a", "b"} {
			got := must(t, repo, "cfs-link show "+tag+" | grep ^image")
			if want := images[0] + "\n" + plain + images[1] + "\n"; got != want {
				t.Fatalf("round %d, %s has the images\n%swant\n%s", i, tag, got, want)
			}
		}
		if i == 0 {
			must(t, repo, "cfs-gc check")
		}
	}
}
