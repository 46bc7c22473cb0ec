package scan_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"cfs/lib/dumpfile"
	"cfs/lib/scan"
	"cfs/lib/tree"
	"cfs/lib/verity"
)

// all takes every extended attribute.
func all(string) bool { return true }

// dump returns the dumpfile of a tree.
func dump(t testing.TB, root *tree.Inode) string {
	t.Helper()
	var out strings.Builder
	if err := dumpfile.Write(&out, root); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func mustScan(t testing.TB, path string, o scan.Options) *tree.Inode {
	t.Helper()
	root, err := scan.Scan(path, o)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// forest makes random trees.
type forest struct {
	*rand.Rand
	root    bool // the tests run as root, and may make anything
	objects map[verity.ID][]byte
	leaves  []*tree.Inode
}

func (f *forest) name(i int) string {
	switch f.IntN(8) {
	case 0:
		return fmt.Sprintf("%d \n\\=\xff\u00e4", i)
	case 1:
		return fmt.Sprint(i) + strings.Repeat("n", 255-len(fmt.Sprint(i)))
	}
	return fmt.Sprintf("name-%d", i)
}

// dir returns a directory with up to width entries, and others below it.
func (f *forest) dir(depth, width int) *tree.Inode {
	d := f.metadata(unix.S_IFDIR)
	d.Mode |= 0o700
	for i := range f.IntN(width + 1) {
		switch {
		case depth > 0 && f.IntN(3) == 0:
			d.Put(f.name(i), f.dir(depth-1, width))
		case len(f.leaves) > 0 && f.IntN(5) == 0:
			d.Put(f.name(i), f.leaves[f.IntN(len(f.leaves))])
		default:
			n := f.leaf()
			f.leaves = append(f.leaves, n)
			d.Put(f.name(i), n)
		}
	}
	return d
}

func (f *forest) leaf() *tree.Inode {
	types := []uint32{unix.S_IFREG, unix.S_IFREG, unix.S_IFREG, unix.S_IFREG, unix.S_IFLNK, unix.S_IFIFO, unix.S_IFSOCK}
	if f.root {
		types = append(types, unix.S_IFCHR, unix.S_IFBLK)
	}
	n := f.metadata(types[f.IntN(len(types))])
	switch n.Type() {
	case unix.S_IFREG:
		sizes := []int{0, 1, 63, 64, 65, 4095, 4096, 4097, f.IntN(1 << 13), f.IntN(1 << 20)}
		data := make([]byte, sizes[f.IntN(len(sizes))])
		for i := range data {
			data[i] = byte(f.Uint32())
		}
		n.Size = uint64(len(data))
		if len(data) <= tree.InlineMax {
			n.Inline = string(data)
			break
		}
		n.Object = verity.SHA256.Sum(data)
		f.objects[n.Object] = data
	case unix.S_IFLNK:
		n.Target = strings.Repeat("/t", 1+f.IntN(500))
	case unix.S_IFCHR, unix.S_IFBLK:
		n.Rdev = f.Uint32N(1<<12)<<8 | f.Uint32N(1<<8) | f.Uint32N(1<<12)<<20
	}
	return n
}

// metadata returns an inode of a type. Whoever is not root keeps what he gets.
func (f *forest) metadata(typ uint32) *tree.Inode {
	n := &tree.Inode{Mode: typ | 0o400 | f.Uint32N(0o1000), UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	n.Mtime = tree.Time{Sec: f.Int64N(1 << 32), Nsec: f.Uint32N(1e9)}
	if f.IntN(10) == 0 {
		n.Mtime.Sec -= 1 << 31
	}
	if typ == unix.S_IFLNK {
		n.Mode = typ | 0o777
	}
	if !f.root {
		return n
	}
	n.UID, n.GID = f.Uint32N(1<<20), f.Uint32N(1<<31)
	if typ != unix.S_IFLNK {
		n.Mode |= f.Uint32N(8) << 9
	}
	for i := range f.IntN(4) {
		n.SetXattr(fmt.Sprintf("trusted.x%d", f.IntN(100)), strings.Repeat("v\x00", i*f.IntN(2000)))
	}
	if f.IntN(10) == 0 {
		n.SetXattr("security.selinux", "system_u:object_r:usr_t:s0\x00")
	}
	if typ == unix.S_IFREG || typ == unix.S_IFDIR {
		if f.IntN(10) == 0 {
			n.SetXattr("user.x", "")
		}
	}
	return n
}

// TestRandom: what is made on disk is what is scanned, and what is found on another
// way.
func TestRandom(t *testing.T) {
	root := os.Getuid() == 0
	if !root {
		t.Log("SKIPPED, because the tests do not run as root: owners, devices and trusted xattrs")
	}
	for seed := range uint64(60) {
		f := &forest{Rand: rand.New(rand.NewPCG(seed, 7)), root: root, objects: make(map[verity.ID][]byte)}
		made := f.dir(4, 8)
		dir := scratch(t) + "/tree"
		if err := makeTree(dir, made, func(id verity.ID) []byte { return f.objects[id] }); err != nil {
			t.Fatal(err)
		}
		o := scan.Options{Put: scan.Sum(verity.SHA256), Xattr: all, Threads: int(seed) % 4}
		got := dump(t, mustScan(t, dir, o))
		if want := dump(t, made); got != want {
			t.Fatalf("seed %d, made (-) and scanned (+):\n%s", seed, cmp.Diff(want, got))
		}
		if want := dump(t, readTree(t, dir, verity.SHA256)); got != want {
			t.Fatalf("seed %d, walked (-) and scanned (+):\n%s", seed, cmp.Diff(want, got))
		}
		os.RemoveAll(dir)
	}
}

// TestDeep: a directory may have many names, and many others above it.
func TestDeep(t *testing.T) {
	root := tree.NewDir(0o755)
	for i := range 5000 {
		root.Put(fmt.Sprintf("a name of some length, number %d", i), &tree.Inode{Mode: unix.S_IFREG | 0o644, Size: 1, Inline: "x"})
	}
	at := root
	for range 1000 {
		sub := tree.NewDir(0o755)
		at.Put("d", sub)
		at = sub
	}
	for _, n := range tree.Walk(root) {
		n.UID, n.GID = uint32(os.Getuid()), uint32(os.Getgid())
	}
	dir := scratch(t) + "/tree"
	if err := makeTree(dir, root, nil); err != nil {
		t.Fatal(err)
	}
	got := dump(t, mustScan(t, dir, scan.Options{Put: scan.Sum(verity.SHA256)}))
	if want := dump(t, root); got != want {
		t.Error(cmp.Diff(want, got))
	}
}

func BenchmarkScan(b *testing.B) {
	f := &forest{Rand: rand.New(rand.NewPCG(1, 1)), root: os.Getuid() == 0, objects: make(map[verity.ID][]byte)}
	root := tree.NewDir(0o755)
	for i := range 1000 {
		d := tree.NewDir(0o755)
		for j := range 10 {
			n := &tree.Inode{Mode: unix.S_IFREG | 0o644}
			data := make([]byte, 65+f.IntN(16<<10))
			n.Size, n.Object = uint64(len(data)), verity.SHA256.Sum(data)
			f.objects[n.Object] = data
			d.Put(fmt.Sprint(j), n)
		}
		root.Put(fmt.Sprint(i), d)
	}
	dir := scratch(b) + "/tree"
	if err := makeTree(dir, root, func(id verity.ID) []byte { return f.objects[id] }); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		mustScan(b, dir, scan.Options{Put: scan.Sum(verity.SHA256), Xattr: all})
	}
}
