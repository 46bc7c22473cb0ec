package build_test

import (
	"bytes"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"cfs/lib/build"
	"cfs/lib/erofs"
	"cfs/lib/internal/repotest"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// long is content that is an object.
var long = strings.Repeat("An object. ", 10)

// dumpOf returns the dumpfile of a file /a with content, a file /old of before 1970, and more
// lines.
func dumpOf(a verity.Algorithm, content string, more ...string) string {
	id := a.Sum([]byte(content)).String()
	return strings.Join(append([]string{
		"/ 0 40755 2 0 0 0 1.0 - - -",
		"/a 110 100644 1 0 0 0 5.5 " + id[:2] + "/" + id[2:] + " - " + id,
		"/old 3 100644 1 0 0 0 -7.0 - abc -",
	}, more...), "\n") + "\n"
}

func readDump(t *testing.T, in build.Input, dump string) *build.Recipe {
	t.Helper()
	recipe, err := in.Dumpfile(strings.NewReader(dump), false)
	if err != nil {
		t.Fatal(err)
	}
	return recipe
}

// written returns the image.
func written(t *testing.T, recipe *build.Recipe) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := recipe.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func digestOf(t *testing.T, recipe *build.Recipe) verity.ID {
	t.Helper()
	id, err := recipe.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestRecipe: the digest is that of what is written, by either hash, in each format, and in
// both orders of times.
func TestRecipe(t *testing.T) {
	recipe := readDump(t, build.Input{}, dumpOf(verity.SHA256, long))
	seen := map[verity.ID]bool{}
	for _, recipe.Algorithm = range []verity.Algorithm{verity.SHA256, verity.SHA512} {
		for _, recipe.Format = range []variant.Format{variant.V0, variant.V1, variant.V2} {
			for _, recipe.UnsignedTimes = range []bool{false, true} {
				image := written(t, recipe)
				id := digestOf(t, recipe)
				if id != recipe.Algorithm.Sum(image) || !bytes.Equal(image, written(t, recipe)) {
					t.Errorf("%+v: its digest is not %s", recipe, id)
				}
				if f, err := erofs.ReadFormat(bytes.NewReader(image)); err != nil || f != recipe.Format {
					t.Errorf("%+v: format %d, %v", recipe, f, err)
				}
				seen[id] = true
			}
		}
	}
	// Only E1 images have the least time in their superblock.
	if len(seen) != 10 {
		t.Errorf("%d digests, want 10", len(seen))
	}
}

// TestStore: an image is stored if the repository has all objects of it, under its name and
// a ref.
func TestStore(t *testing.T) {
	repotest.EachAlgorithm(t, func(t *testing.T, a verity.Algorithm) {
		r := repotest.New(t, a)
		recipe := readDump(t, build.Input{Repo: r}, dumpOf(a, long))
		before := repotest.List(t, r)
		if _, err := recipe.Store(r, "x"); !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), "/a: ") {
			t.Errorf("without its object: %v", err)
		}
		repotest.WantList(t, r, before)
		if _, _, err := r.Objects.PutBytes([]byte(long)); err != nil {
			t.Fatal(err)
		}
		for _, ref := range []string{"", "a/b", "a/b"} {
			id, err := recipe.Store(r, ref)
			if err != nil || id != digestOf(t, recipe) {
				t.Fatalf("%s, %v; want %s", id, err, digestOf(t, recipe))
			}
			if _, err := oci.OpenEROFS(r, id); err != nil {
				t.Error(err)
			}
			if ref == "" {
				continue
			}
			if got, err := r.Ref(repo.Images, ref); err != nil || got != id.String() {
				t.Errorf("ref %s leads to %q, %v", ref, got, err)
			}
		}
	})
}

// TestStoreNot: what no image can hold is not stored.
func TestStoreNot(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	root := tree.NewDir(0o755)
	root.Put("a/b", tree.NewDir(0o755))
	recipe := &build.Recipe{Root: root, Algorithm: verity.SHA256, Format: variant.V1}
	before := repotest.List(t, r)
	if _, err := recipe.Store(r, "x"); err == nil {
		t.Error("stored")
	}
	if _, err := recipe.Digest(); err == nil {
		t.Error("it has a digest")
	}
	repotest.WantList(t, r, before)
}
