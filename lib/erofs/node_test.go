package erofs_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"cfs/lib/erofs"
	"cfs/lib/tree"
	"cfs/lib/variant"
)

// imageOf returns the image of a tree.
func imageOf(t testing.TB, root *tree.Inode, f variant.Format) *erofs.Reader {
	t.Helper()
	var b bytes.Buffer
	if err := erofs.Write(&b, root, f); err != nil {
		t.Fatal(err)
	}
	img, err := erofs.Open(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// wantNodes checks that a directory of an image is that of a tree, all below it too.
func wantNodes(t *testing.T, img *erofs.Reader, number uint64, want *tree.Inode, path string) {
	t.Helper()
	dir, err := img.Node(number)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for e, err := range dir.Entries(0) {
		if err != nil {
			t.Fatal(err)
		}
		again := ""
		for later, err := range dir.Entries(e.Next) {
			if err == nil {
				again = later.Name
			}
			break
		}
		if again != "" && again <= e.Name {
			t.Errorf("%s: %q comes after %q", path, again, e.Name)
		}
		if e.Name == "." || e.Name == ".." {
			continue
		}
		n := want.Lookup(e.Name)
		if n == nil {
			t.Fatalf("%s/%q is not in the tree", path, e.Name)
		}
		seen++
		found, err := dir.Lookup(e.Name)
		if err != nil || found == nil || found.Number() != e.Number {
			t.Fatalf("%s/%q: found %+v, %v", path, e.Name, found, err)
		}
		wantNode(t, found, n, e.Type)
		if n.IsDir() {
			wantNodes(t, img, e.Number, n, path+"/"+e.Name)
		}
	}
	shown := 0
	for _, e := range want.Entries() {
		if !e.Inode.IsWhiteout() || img.Format() != variant.V2 {
			shown++
		}
	}
	if seen != shown {
		t.Errorf("%s: %d entries, want %d", path, seen, shown)
	}
	for _, name := range []string{"", "\x00", "none", "zzzz", "\xff\xff\xff"} {
		if found, err := dir.Lookup(name); want.Lookup(name) == nil && (found != nil || err != nil) {
			t.Errorf("%s/%q: found %+v, %v", path, name, found, err)
		}
	}
}

// wantNode checks an inode against that of a tree.
func wantNode(t *testing.T, got *erofs.Node, n *tree.Inode, typ uint32) {
	t.Helper()
	if n.IsWhiteout() {
		if !got.IsRegular() || got.Size != 0 {
			t.Errorf("a whiteout is %+v", got)
		}
		return
	}
	if got.Mode != n.Mode || typ != n.Type() || got.UID != n.UID || got.GID != n.GID || got.Rdev != n.Rdev || got.Mtime.Sec != n.Mtime.Sec {
		t.Errorf("%+v, want %+v", got, n)
	}
	for _, x := range n.Xattrs {
		if value, ok, err := got.Xattr(x.Name); err != nil || !ok || string(value) != x.Value {
			t.Errorf("xattr %q: %q, %v, %v; want %q", x.Name, value, ok, err, x.Value)
		}
	}
	switch {
	case n.IsSymlink():
		if target, err := got.Target(); err != nil || target != n.Target {
			t.Errorf("target %q, %v, want %q", target, err, n.Target)
		}
	case n.IsRegular():
		c, err := got.Content()
		if err != nil || c != (erofs.Content{Size: n.Size, Inline: n.Inline, Object: n.Object, Path: n.Payload}) {
			t.Errorf("content %+v, %v, want that of %+v", c, err, n)
		}
	}
}

// TestNodes: what is read of an image inode by inode is the tree that it was written from.
func TestNodes(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		for _, f := range []variant.Format{variant.V0, variant.V1, variant.V2} {
			root := newForest(seed, f).tree(1 + int(seed)*20)
			img := imageOf(t, root, f)
			wantNodes(t, img, img.Root(), root, "")
		}
	}
}

// TestNodesOfDamagedImages: an image with other bytes is read without a panic and without an end.
func TestNodesOfDamagedImages(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := erofs.Write(&b, newForest(7, variant.V1).tree(300), variant.V1); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		data := bytes.Clone(b.Bytes())
		for range 1 + random.IntN(20) {
			data[1024+random.IntN(len(data)-1024)] = byte(random.IntN(256))
		}
		if img, err := erofs.Open(data); err == nil {
			readNodes(img, 200)
		}
	}
}

// readNodes reads inodes from the root on, in all ways, whatever they are, and no more than there are steps.
func readNodes(img *erofs.Reader, steps int) {
	queue := []uint64{img.Root()}
	for len(queue) > 0 && steps > 0 {
		n, err := img.Node(queue[0])
		queue = queue[1:]
		if err != nil {
			continue
		}
		_, _ = n.Target()
		_, _ = n.Xattrs()
		_, _, _ = n.Xattr("user.x")
		_, _, _ = n.Redirect()
		_, _ = n.Content()
		for e, err := range n.Entries(0) {
			if steps--; err != nil || steps < 0 {
				break
			}
			_, _ = n.Lookup(e.Name)
			queue = append(queue, e.Number)
		}
		for range n.Entries(1 << 40) {
			break
		}
	}
}
