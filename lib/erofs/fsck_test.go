package erofs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"cfs/lib/erofs"
	"cfs/lib/tree"
	"cfs/lib/variant"
)

// fsck.erofs finds nothing wrong with any image.
func TestFsckErofs(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: it takes seconds")
	}
	fsck, err := exec.LookPath("fsck.erofs")
	if err != nil {
		t.Skipf("NOT TESTED: erofs-utils is not installed: %v", err)
	}
	path := filepath.Join(t.TempDir(), "image")
	check := func(name string, root *tree.Inode, v variant.Format) {
		if v == variant.V2 && lacksChunkEntries(root) {
			return
		}
		data, err := bytesOf(erofs.Write, root, v)
		if err != nil {
			return // other tests say whether it may
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(fsck, path).CombinedOutput(); err != nil {
			t.Errorf("%s: V%d: %v: %s", name, v, err, out)
		}
	}
	for _, v := range versions {
		for seed := range uint64(20) {
			check("random tree", newForest(seed, v).tree(100), v)
		}
	}
	for _, vector := range readVectors(t) {
		root := vector.tree(t)
		for _, v := range versions {
			check(vector.name, root, v)
		}
	}
}

// lacksChunkEntries reports whether V2 has fewer chunk entries for a file of the
// tree than its size asks for: none for one without a digest, and never more than
// one, for 8 TiB. The reference leaves them out, and fsck.erofs misses them where
// the image ends there.
func lacksChunkEntries(root *tree.Inode) bool {
	for _, n := range tree.Walk(root) {
		if n.IsRegular() && n.Inline == "" && n.Size > 0 && (n.Object.IsZero() || n.Size > 8<<40) {
			return true
		}
	}
	return false
}
