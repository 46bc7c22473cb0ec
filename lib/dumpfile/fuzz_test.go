package dumpfile

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"cfs/lib/corrupt"
)

// FuzzRead holds the laws: what is read is written as a dump that is read as
// the same tree and written as the same bytes; what is not says why, and where.
func FuzzRead(f *testing.F) {
	for _, s := range spellings {
		f.Add([]byte(rootLine+s.line), s.compat, uint8(0))
	}
	for _, pattern := range []string{"erofs/*.dump", "erofs/refuse/*.dump", "erofs/assets/*.dump", "layers/*/expected.sha256.dump"} {
		paths, err := filepath.Glob(filepath.Join(vectors, pattern))
		if err != nil {
			f.Fatal(err)
		}
		for _, path := range paths {
			if info, err := os.Stat(path); err == nil && info.Size() < 10000 {
				f.Add(vector(f, path[len(vectors):]), filepath.Dir(pattern) == "erofs/assets", uint8(1))
			}
		}
	}
	f.Fuzz(func(t *testing.T, dump []byte, compat bool, layout uint8) {
		o := Options{Compat: compat, Layout: Layout(layout % 3), MatchDigest: layout > 127}
		root, err := Read(bytes.NewReader(dump), o)
		if err == nil {
			checkStable(t, "dump", root, written(t, root), o)
			return
		}
		var e *Error
		if root != nil || !errors.As(err, &e) || !corrupt.Is(err) {
			t.Fatalf("refused with %v, %v", root, err)
		}
		lines := bytes.Count(dump, []byte("\n")) + 1
		if e.Line < 1 || e.Line > lines || !slices.Contains(fieldNames[:], e.Field) || e.Class == "" || bytes.ContainsAny([]byte(err.Error()), "\n\x00") {
			t.Errorf("refused with %q", err)
		}
	})
}
