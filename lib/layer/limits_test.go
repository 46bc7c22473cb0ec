package layer_test

import (
	"fmt"
	"strings"
	"testing"

	"cfs/lib/corrupt"
	"cfs/lib/layer"
	"cfs/lib/tolerance"
	"cfs/lib/tree"
	"cfs/lib/verity"
	"cfs/testdata/rawtar"
)

// deep returns members that need a path of so many directories, or links.
func deep(levels int, last string) [][]byte {
	return [][]byte{rawtar.Tar(rawtar.PAX("path="+strings.Repeat("a/", levels)+last), file("x", ""))}
}

// TestDepth: what lies deeper than an image can hold is refused before there is a tree of
// it, which is the way of a short path into much memory.
func TestDepth(t *testing.T) {
	s := newStore(verity.SHA256)
	root, err := s.merge(t, deep(2048, "x"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := tree.Count(root); n != 2048+2 {
		t.Errorf("%d names", n)
	}
	for name, tars := range map[string][][]byte{
		"a file":      deep(2049, "x"),
		"far away":    deep(200_000, "x"),
		"a directory": {rawtar.Tar(rawtar.PAX("path="+strings.Repeat("a/", 2049)), dir("x/"))},
		"a link": {rawtar.Tar(rawtar.PAX("path="+strings.Repeat("a/", 2048)), dir("x/"),
			rawtar.PAX("path="+strings.Repeat("a/", 1500)+"l", "linkpath="+strings.Repeat("a/", 548)), symlink("l", ""),
			rawtar.PAX("path="+strings.Repeat("a/", 1500)+"l/b/x"), file("x", ""))},
	} {
		_, err := s.merge(t, tars, nil)
		if !corrupt.Is(err) || !strings.Contains(err.Error(), "more than 2048 directories deep") || len(err.Error()) > 1000 {
			t.Errorf("%s: %.2000v", name, err)
		}
	}
}

// TestImplied: directories without an entry, of which a short path can ask for many, are
// bounded.
func TestImplied(t *testing.T) {
	s := newStore(verity.SHA256)
	tar := rawtar.Tar(file("usr/a/b", ""), file("usr/c/b", ""), dir("usr/c/"), file("usr/d/e", ""))
	for limit, want := range map[int]string{0: "", 4: "", 3: `"usr/d/e" at byte 1536: more than 3 directories have no entry of their own`} {
		g := layer.Merger{Rules: &tolerance.Rules{MaxImplied: limit}}
		err := s.add(t, &g, tar)
		if want == "" && err != nil || want != "" && (err == nil || err.Error() != want || corrupt.Is(err)) {
			t.Errorf("with %d: %v", limit, err)
		}
	}
	var many []member
	for i := range 130 {
		many = append(many, rawtar.PAX(fmt.Sprintf("path=%d/%sx", i, strings.Repeat("b/", 2000))), file("x", ""))
	}
	if _, err := s.merge(t, [][]byte{rawtar.Tar(many...)}, &tolerance.Rules{}); err == nil || !strings.Contains(err.Error(), "more than 250000 directories") {
		t.Errorf("%.500v", err)
	}
}
