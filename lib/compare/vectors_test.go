package compare_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cfs/lib/compare"
	"cfs/lib/dumpfile"
	"cfs/lib/erofs"
	"cfs/lib/tree"
	"cfs/lib/variant"
)

// vectorDir holds what the reference implementations made of many inputs.
const vectorDir = "../../../shared/vectors"

// dumps returns the trees of dumpfiles among the vectors that can be read back: not of
// those that need Compat or hold the empty target of a symbolic link.
func dumps(t *testing.T, pattern string, least int) map[string]*tree.Inode {
	t.Helper()
	if _, err := os.Stat(vectorDir); err != nil {
		t.Skipf("NOT TESTED: the vectors are not there: %v", err)
	}
	names, err := filepath.Glob(filepath.Join(vectorDir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	list := make(map[string]*tree.Inode)
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if root, err := dumpfile.Read(bytes.NewReader(text), dumpfile.Options{}); err == nil {
			list[name] = root
		}
	}
	if len(list) < least {
		t.Fatalf("only %d of %d dumpfiles can be read", len(list), len(names))
	}
	return list
}

// imageOf returns what an image holds of a tree, nil if it cannot.
func imageOf(t *testing.T, root *tree.Inode, v variant.Format) *tree.Inode {
	t.Helper()
	var b bytes.Buffer
	if err := erofs.Write(&b, root, v); err != nil {
		return nil
	}
	image, err := erofs.Open(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	got, err := image.Tree()
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// An image and the dumpfile that it was made from do not differ, but for nanoseconds;
// images of it in two formats differ in just the format.
func TestImages(t *testing.T) {
	checked := 0
	for _, pattern := range []string{"erofs/*.dump", "layers/*/expected.*.dump"} {
		for name, root := range dumps(t, pattern, 40) {
			v0, v1 := imageOf(t, root, variant.V0), imageOf(t, root, variant.V1)
			if v0 == nil || v1 == nil {
				continue
			}
			if got, cause := differences(t, compare.Tree{Root: root}, compare.Tree{Root: v1, Format: "1"}); len(got) > 0 {
				t.Errorf("%s against its image: %q, %s", name, got, cause)
			}
			got, cause := differences(t, compare.Tree{Root: v0, Format: "0"}, compare.Tree{Root: v1, Format: "1"})
			if len(got) != 1 || cause != "format 0 against 1, trees equal" {
				t.Errorf("%s in two formats: %q, %s", name, got, cause)
			}
			checked++
			v2 := imageOf(t, root, variant.V2)
			if v2 == nil {
				continue
			}
			got, cause = differences(t, compare.Tree{Root: root}, compare.Tree{Root: v2, Format: "2"})
			if len(got) > 0 && !strings.HasPrefix(cause, "only nanoseconds of mtimes differ") {
				t.Errorf("%s against its image of format 2: %q, %s", name, got, cause)
			}
		}
	}
	if checked < 80 {
		t.Errorf("only %d images checked", checked)
	}
}

// The same layers, stored with one hash and with the other, differ in digests alone.
func TestHashes(t *testing.T) {
	checked := 0
	list := dumps(t, "layers/*/expected.*.dump", 40)
	for name, a := range list {
		b := list[strings.Replace(name, "sha256", "sha512", 1)]
		if !strings.Contains(name, "sha256") || b == nil {
			continue
		}
		got, cause := differences(t, compare.Tree{Root: a}, compare.Tree{Root: b})
		if len(got) > 0 && !strings.HasPrefix(cause, "digests by sha256 in A and by sha512 in B") {
			t.Errorf("%s: %q, %s", name, got, cause)
		}
		if len(got) > 0 {
			checked++
		}
	}
	if checked < 5 {
		t.Errorf("only %d pairs checked", checked)
	}
}
