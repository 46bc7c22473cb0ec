package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
	"cfs/lib/verity"
)

// TestBootImages: the images that the tests build are those of the vectors, but for
// their compression.
func TestBootImages(t *testing.T) {
	t.Parallel()
	layers := map[string][][]byte{
		"base":               imagetest.BaseLayers(t),
		"bootable-v1":        imagetest.BootableLayers(t, 1, ""),
		"bootable-v2":        imagetest.BootableLayers(t, 2, ""),
		"bootable-v1-sealed": imagetest.BootableLayers(t, 1, imagetest.UKI("composefs.digest=v1-sha512-12:"+imagetest.FirstBoot+" rw quiet")),
	}
	repo := filepath.Join(cmdtest.Scratch(t), "repo")
	for _, v := range readVectors(t, "images/*") {
		if layers[v.name] == nil {
			continue
		}
		layout := t.TempDir()
		imagetest.Make(t, layout, layers[v.name]...)
		records := must(t, repo, "cfs-pull --init --insecure --progress none oci:"+layout+" "+v.name)
		if want := "\nimage " + v.Erofs["v1"]["sha512"] + " "; !strings.Contains(records, want) {
			t.Errorf("%s: cfs-pull printed\n%swant%s", v.name, records, want)
		}
		want, err := os.ReadFile(filepath.Join(v.dir, "expected.sha512.dump"))
		if err != nil {
			t.Fatal(err)
		}
		if got := must(t, repo, "cfs-mkerofs dump "+v.name); got != string(want) {
			t.Errorf("%s (-want +got):\n%s", v.name, cmp.Diff(string(want), got))
		}
	}
}

// census is how many of each kind a repository has.
type census struct{ objects, streams, layers, images int }

func countAll(t *testing.T, repo string) census {
	t.Helper()
	matches := func(pattern string) int {
		list, err := filepath.Glob(filepath.Join(repo, pattern))
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	return census{matches("objects/??/*"), matches("streams/oci-*"), matches("streams/oci-layer-*"), matches("images/[0-9a-f]*")}
}

// bootPull is a way to pull the two images that boot, and what a collection has to do.
type bootPull struct {
	name, options string
	both          census // with both images
	removed       string // when one of them goes
}

// bootPulls: both images have 6 files that are objects and 24 layers together, and each
// two JSON texts, two streams of them, and EROFS images.
var bootPulls = []bootPull{
	{"plain", "", census{40, 28, 24, 2}, "Objects: 9 removed"},
	{"bootable", "--bootable", census{42, 28, 24, 4}, "Objects: 10 removed"},
}

// bothPulled pulls both images, as v1 and v2.
func (b bootPull) bothPulled(t *testing.T) (repo string) {
	t.Helper()
	repo = filepath.Join(cmdtest.Scratch(t), "repo")
	for n := range 2 {
		layout := t.TempDir()
		imagetest.Make(t, layout, imagetest.BootableLayers(t, n+1, "")...)
		must(t, repo, fmt.Sprintf("cfs-pull --init --insecure --progress none %s oci:%s v%d", b.options, layout, n+1))
	}
	return repo
}

// TestBootPair: of two images that share most layers each is stored once, and what one
// needs outlives the other.
func TestBootPair(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	for _, b := range bootPulls {
		t.Run(b.name, func(t *testing.T) {
			template := b.bothPulled(t)
			if got := must(t, template, "cfs-gc"); got != "Objects: 0 removed (0 bytes)\n" {
				t.Errorf("the first collection: %s", got)
			}
			if got := countAll(t, template); got != b.both {
				t.Errorf("there are %+v, want %+v", got, b.both)
			}
			for gone, stays := range map[string]string{"v1": "v2", "v2": "v1"} {
				t.Run("without "+gone, func(t *testing.T) { b.drop(t, copyOf(t, template), gone, stays) })
			}
		})
	}
}

// drop untags one image, and then the other one.
func (b bootPull) drop(t *testing.T, repo, gone, stays string) {
	before := b.images(t, repo, stays)
	must(t, repo, "cfs-link untag "+gone)
	got := must(t, repo, "cfs-gc")
	images := b.both.images / 2
	if want := fmt.Sprintf("Pruned symlinks: %d images, 6 streams\n", images); !strings.HasPrefix(got, b.removed+" (") || !strings.HasSuffix(got, "\n"+want) {
		t.Errorf("the collection: %swant %s, %s", got, b.removed, want)
	}
	if got := must(t, repo, "cfs-gc"); got != "Objects: 0 removed (0 bytes)\n" {
		t.Errorf("a second collection: %s", got)
	}
	must(t, repo, "cfs-gc check --content")
	if diff := cmp.Diff(before, b.images(t, repo, stays)); diff != "" {
		t.Errorf("%s has changed (-before +after):\n%s", stays, diff)
	}
	t.Run("mount", func(t *testing.T) {
		needComposefs(t)
		for option, dump := range before {
			if got := dumpMounted(t, mounted(t, repo, option+" "+stays), verity.SHA512); got != mountable(dump) {
				t.Errorf("%s mounted (-want +got):\n%s", stays, cmp.Diff(mountable(dump), got))
			}
		}
	})
	must(t, repo, "cfs-link untag "+stays+" && cfs-gc --allow-empty")
	wantOnlyMeta(t, repo)
}

// images returns the dumpfile of each EROFS image of a tag, by the option with which
// cfs-mount mounts it.
func (b bootPull) images(t *testing.T, repo, tag string) map[string]string {
	t.Helper()
	dumps := make(map[string]string)
	for line := range strings.Lines(must(t, repo, "cfs-link show "+tag)) {
		rec := parseRecord(t, line)
		if rec.Kind != "image" {
			continue
		}
		option := ""
		if rec.Get("variant") == "boot" {
			option = "--bootable"
		}
		dumps[option] = must(t, repo, "cfs-mkerofs dump "+rec.Digest)
	}
	if len(dumps) != b.both.images/2 {
		t.Fatalf("%s has %d images, want %d", tag, len(dumps), b.both.images/2)
	}
	return dumps
}
