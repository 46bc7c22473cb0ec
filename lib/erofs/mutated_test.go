package erofs_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cfs/lib/dumpfile"
	"cfs/lib/erofs"
	"cfs/lib/tree"
	"cfs/lib/verity"
)

// vectorImages are the images of the references' dumpfiles, in each version. Without
// them there are none.
func vectorImages(t *testing.T) (list [][]byte) {
	names, err := filepath.Glob(filepath.Join(vectorDir, "erofs", "*.dump"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > 1<<15 {
			continue
		}
		root, err := dumpfile.Read(bytes.NewReader(text), dumpfile.Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, v := range versions {
			if data, err := bytesOf(erofs.Write, root, v); err == nil {
				list = append(list, data)
			}
		}
	}
	return list
}

// What can be done with an image, listing its paths, its objects or all of it, ends
// with an error or, of all of it, with a dumpfile that says the same when it is read.
func TestDumpsOfMutatedImages(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: it takes seconds")
	}
	rng := rand.New(rand.NewPCG(3, 4))
	seeds := append(seedImages(t), vectorImages(t)...)
	dumped := 0
	for i := range 10000 {
		data := mutate(rng, bytes.Clone(seeds[rng.IntN(len(seeds))]))
		img, err := erofs.Open(data)
		if err != nil {
			checkCorrupt(t, err)
			continue
		}
		if _, err := objectsOf(img); err != nil {
			checkCorrupt(t, err)
		}
		root, err := img.Tree()
		if err != nil {
			checkCorrupt(t, err)
			continue
		}
		checkDump(t, i, root)
		dumped++
	}
	t.Logf("%d images were dumped", dumped)
	if dumped < 1000 {
		t.Errorf("only %d images were dumped", dumped)
	}
}

// checkDump checks that the dumpfile of a tree says just what the tree is.
func checkDump(t *testing.T, i int, root *tree.Inode) {
	t.Helper()
	var o dumpfile.Options
	var lossy bool
	for _, n := range tree.Walk(root) {
		if n.IsSymlink() && n.Target == "" {
			return // the reference writes it as none, and so does Write
		}
		if n.Payload != "" {
			id, ok := verity.ParseObjectPath(n.Payload)
			o.Compat = o.Compat || !ok || id.ObjectPath() != n.Payload || !n.Object.IsZero()
		}
		lossy = lossy || n.IsRegular() && n.Size == 0 && (n.Payload != "" || !n.Object.IsZero())
	}
	text := dump(t, root)
	got, err := dumpfile.Read(strings.NewReader(text), o)
	if err != nil {
		t.Errorf("image %d: %v", i, err)
		return
	}
	if lossy && o.Compat {
		return // an empty file's PAYLOAD is ignored
	}
	if diff := sameTree(root, got); diff != "" {
		t.Errorf("image %d: dumped and read: %s", i, diff)
	}
	if again := dump(t, got); again != text {
		t.Errorf("image %d: another dumpfile after it was read", i)
	}
}
