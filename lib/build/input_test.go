package build_test

import (
	"bytes"
	"strings"
	"testing"

	"cfs/lib/build"
	"cfs/lib/corrupt"
	"cfs/lib/erofs"
	"cfs/lib/internal/repotest"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

const (
	whiteout = "/w 0 20000 1 0 0 0 0.0 - - -"
	empty    = "/ 0 40755 2 0 0 0 0.0 - - -\n"
)

// inV2 is too long for an image of format 2.
var inV1Alone = "/long 1000 100644 1 0 0 0 0.0 - " + strings.Repeat("x", 1000) + " -"

// TestChoice: hash and format are those that are asked for, else what the repository has, else
// what follows from the input.
func TestChoice(t *testing.T) {
	r := repotest.New(t, verity.SHA256, variant.V2, variant.V1)
	asked := []variant.Format{variant.V0}
	for name, c := range map[string]struct {
		in     build.Input
		dump   string
		hash   verity.Algorithm
		format variant.Format
	}{
		"nothing is known":        {build.Input{}, empty, verity.SHA512, variant.V1},
		"the digests in it":       {build.Input{}, dumpOf(verity.SHA256, long), verity.SHA256, variant.V1},
		"another hash":            {build.Input{Algorithm: verity.SHA512}, dumpOf(verity.SHA256, long), verity.SHA512, variant.V1},
		"another format":          {build.Input{Formats: asked}, empty, verity.SHA512, variant.V0},
		"of mkcomposefs":          {build.Input{Auto: true}, empty, verity.SHA512, variant.V0},
		"of mkcomposefs, 1":       {build.Input{Auto: true}, empty + whiteout, verity.SHA512, variant.V1},
		"in a repository":         {build.Input{Repo: r}, empty, verity.SHA256, variant.V2},
		"in it, another format":   {build.Input{Repo: r, Formats: asked}, empty, verity.SHA256, variant.V0},
		"in it, of mkcomposefs":   {build.Input{Repo: r, Auto: true}, empty + whiteout, verity.SHA256, variant.V1},
		"too long for its format": {build.Input{Repo: r, Auto: true}, empty + inV1Alone, verity.SHA256, variant.V0},
	} {
		recipe := readDump(t, c.in, c.dump)
		if recipe.Algorithm != c.hash || recipe.Format != c.format || recipe.UnsignedTimes || recipe.Stored {
			t.Errorf("%s: %s, format %d; want %s, %d", name, recipe.Algorithm, recipe.Format, c.hash, c.format)
		}
	}
	for name, in := range map[string]build.Input{"asked for": {Formats: []variant.Format{variant.V2}}, "in a repository": {Repo: r}} {
		if _, err := in.Dumpfile(strings.NewReader(empty+inV1Alone), false); err == nil {
			t.Errorf("format 2, %s: what it cannot hold is read", name)
		}
	}
}

// TestCompat: a dumpfile that only mkcomposefs accepts needs an explicit flag.
func TestCompat(t *testing.T) {
	short := empty + "/a 3 100644 1 0 0 0 0.0 - abc"
	if _, err := (build.Input{}).Dumpfile(strings.NewReader(short), false); !corrupt.Is(err) {
		t.Errorf("without it: %v", err)
	}
	if _, err := (build.Input{}).Dumpfile(strings.NewReader(short), true); err != nil {
		t.Error(err)
	}
}

// TestEROFS: the image of another one is that image, or one of another format, and back.
func TestEROFS(t *testing.T) {
	r := repotest.New(t, verity.SHA512, variant.V1)
	dump := dumpOf(verity.SHA256, long)
	images := map[variant.Format][]byte{}
	for _, f := range []variant.Format{variant.V0, variant.V1, variant.V2} {
		images[f] = written(t, readDump(t, build.Input{Formats: []variant.Format{f}}, dump))
	}
	for from, data := range images {
		image, err := erofs.Open(data)
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range []build.Input{{}, {Repo: r}, {Formats: []variant.Format{variant.V0}}, {Formats: []variant.Format{variant.V2}}, {Auto: true}} {
			recipe, err := in.EROFS(image)
			if err != nil {
				t.Fatal(err)
			}
			want := from
			switch {
			case in.Formats != nil:
				want = in.Formats[0]
			case in.Auto:
				want = variant.V0
			}
			a := verity.SHA256
			if in.Repo != nil {
				a = verity.SHA512
			}
			lost := from == variant.V2 && want != from // the nanoseconds
			if recipe.Format != want || recipe.Algorithm != a || !lost && !bytes.Equal(written(t, recipe), images[want]) {
				t.Errorf("from format %d, %+v: format %d by %s", from, in, recipe.Format, recipe.Algorithm)
			}
		}
	}
	clear(images[variant.V1][1152:]) // all inodes
	image, err := erofs.Open(images[variant.V1])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (build.Input{}).EROFS(image); !corrupt.Is(err) {
		t.Errorf("an image of zeros: %v", err)
	}
}
