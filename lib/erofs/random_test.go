package erofs_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/erofs"
	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// forest makes random trees that an image of its version can hold and, as far
// as the format lets it, give back.
type forest struct {
	*rand.Rand
	format variant.Format
	leaves []*tree.Inode
	left   int // names to come
}

func newForest(seed uint64, v variant.Format) *forest {
	return &forest{Rand: rand.New(rand.NewPCG(seed, 0)), format: v}
}

func (f *forest) tree(names int) *tree.Inode {
	f.leaves, f.left = nil, names
	root := f.inode(unix.S_IFDIR)
	f.fill(root, 0)
	return root
}

func (f *forest) fill(dir *tree.Inode, depth int) {
	for f.left > 0 && (depth == 0 || f.IntN(12) > 0) {
		f.left--
		name := f.name()
		if dir.Lookup(name) != nil {
			continue
		}
		if len(f.leaves) > 0 && f.IntN(12) == 0 {
			dir.Put(name, f.leaves[f.IntN(len(f.leaves))])
			continue
		}
		n := f.inode(f.fileType())
		dir.Put(name, n)
		if n.IsDir() {
			f.fill(n, depth+1)
		} else if !n.IsWhiteout() {
			f.leaves = append(f.leaves, n)
		}
	}
}

func (f *forest) fileType() uint32 {
	types := []uint32{unix.S_IFREG, unix.S_IFDIR, unix.S_IFLNK, unix.S_IFREG, unix.S_IFCHR, unix.S_IFBLK, unix.S_IFIFO, unix.S_IFSOCK}
	return types[f.IntN(len(types))]
}

func (f *forest) name() string {
	switch f.IntN(8) {
	case 0:
		return fmt.Sprintf("%02x", f.IntN(256))
	case 1:
		return strings.Repeat("n", 1+f.IntN(255))
	case 2:
		return strings.NewReplacer("/", "_", "\x00", "_").Replace(f.text(1+f.IntN(20))) + "x"
	default:
		return fmt.Sprintf("%c%d", "!-.09Aaz"[f.IntN(8)], f.IntN(1000))
	}
}

func (f *forest) text(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(f.IntN(256))
	}
	return string(b)
}

func (f *forest) inode(fileType uint32) *tree.Inode {
	n := &tree.Inode{Mode: fileType | f.Uint32N(0o10000)}
	for _, id := range []*uint32{&n.UID, &n.GID} {
		*id = []uint32{0, 1000, 65535, 65536, 1<<32 - 1}[f.IntN(5)]
	}
	n.Mtime = tree.Time{Sec: []int64{0, 5, 1700000000, -3}[f.IntN(4)]}
	if f.format != variant.V2 {
		n.Mtime.Nsec = []uint32{0, 7, 999999999}[f.IntN(3)]
	}
	switch fileType {
	case unix.S_IFREG:
		f.file(n)
	case unix.S_IFLNK:
		n.Target = strings.Repeat("t", f.IntN(f.maxTarget()+1))
	case unix.S_IFCHR, unix.S_IFBLK:
		n.Rdev = []uint32{0, 259, 1<<32 - 1}[f.IntN(3)]
	}
	f.xattrs(n)
	return n
}

func (f *forest) maxTarget() int {
	return map[variant.Format]int{variant.V0: 4095, variant.V1: 4095, variant.V2: 1024}[f.format]
}
func (f *forest) maxInline() int {
	return map[variant.Format]int{variant.V0: 5000, variant.V1: 5000, variant.V2: 512}[f.format]
}

// file makes n a regular file of any kind.
func (f *forest) file(n *tree.Inode) {
	n.Size = []uint64{1, 4097, 1 << 32, 1 << 44, 1 << 52, 1<<53 - 1, 1 << 53}[f.IntN(7)]
	alg := []verity.Algorithm{verity.SHA256, verity.SHA512}[f.IntN(2)]
	id := alg.Sum([]byte{byte(f.IntN(20))})
	switch f.IntN(8) {
	case 0:
		n.Size = 0
	case 1: // sparse
	case 2:
		n.Payload = id.ObjectPath()
	case 3:
		n.Size = 0
		n.Object = id
	case 4:
		n.Payload = "as the dump says.file"
	case 5:
		n.Payload = "as the dump says.file"
		n.Object = id
	case 6:
		n.Object = id
	default:
		n.Inline = f.text(1 + f.IntN(f.maxInline()))
		n.Size = uint64(len(n.Inline))
	}
}

func (f *forest) xattrs(n *tree.Inode) {
	names := []string{
		"security.selinux", "security.capability", "user.a", "user.", "lustre.lov", "other", "trusted.x",
		"system.posix_acl_access", "system.posix_acl_default", "system.posix_acl_access_not",
		"trusted.overlay.metacopy", "trusted.overlay.redirect", "trusted.overlay.", "trusted.overlay.overlay.opaque",
		"user.overlay.metacopy",
	}
	if !n.IsDir() || f.format != variant.V1 {
		// Elsewhere a whiteout in the directory replaces these.
		names = append(names, "trusted.overlay.opaque", "user.overlay.opaque")
	}
	if !n.IsDir() && !n.IsWhiteout() && !(n.IsRegular() && n.Size == 0) {
		// Elsewhere these are as E1 marks whiteouts.
		names = append(names, "trusted.overlay.whiteout", "trusted.overlay.whiteouts",
			"user.overlay.whiteout", "user.overlay.whiteouts")
	}
	for range f.IntN(5) {
		n.SetXattr(names[f.IntN(len(names))], strings.Repeat("v", f.IntN(3)))
	}
	if f.IntN(40) == 0 {
		for i := range f.IntN(200) {
			n.SetXattr(fmt.Sprintf("user.many%d", i), f.text(f.IntN(2)))
		}
	}
	if f.IntN(40) == 0 {
		n.SetXattr("user."+strings.Repeat("k", 250), f.text(f.IntN(20000)))
	}
}

// sameTree tells the first difference between two trees, "" if there is none.
// Where one tree has a hard link the other must have it too.
func sameTree(a, b *tree.Inode) string {
	twins := make(map[*tree.Inode]*tree.Inode)
	var walk func(path string, a, b *tree.Inode) string
	walk = func(path string, a, b *tree.Inode) string {
		if twin, again := twins[a]; again {
			if twin != b {
				return path + ": other hard link"
			}
			return ""
		}
		twins[a] = b
		if diff := sameInode(a, b); diff != "" {
			return path + ": " + diff
		}
		for _, e := range a.Entries() {
			other := b.Lookup(e.Name)
			if other == nil {
				return path + "/" + e.Name + ": missing"
			}
			if diff := walk(path+"/"+e.Name, e.Inode, other); diff != "" {
				return diff
			}
		}
		return ""
	}
	if diff := walk("", a, b); diff != "" {
		return diff
	}
	if inodes(a) != inodes(b) {
		return "other number of hard links"
	}
	return ""
}

func inodes(root *tree.Inode) int {
	seen := make(map[*tree.Inode]bool)
	for _, n := range tree.Walk(root) {
		seen[n] = true
	}
	return len(seen)
}

func sameInode(a, b *tree.Inode) string {
	stat := func(n *tree.Inode) string {
		return fmt.Sprintf("%o %d:%d %v %d %d %q %v %q %q %d names",
			n.Mode, n.UID, n.GID, n.Mtime, n.Rdev, n.Size, n.Inline, n.Object, n.Payload, n.Target, n.Len())
	}
	if stat(a) != stat(b) {
		return stat(a) + " is not " + stat(b)
	}
	if !slices.Equal(a.Xattrs, b.Xattrs) {
		return fmt.Sprintf("xattrs %.300q are not %.300q", a.Xattrs, b.Xattrs)
	}
	return ""
}

// What is written is read: any tree, save for what Tree says that it loses.
// Writing does not change the tree, and depends on nothing else.
func TestRandomTrees(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: it takes seconds")
	}
	for seed := range uint64(100) {
		for _, v := range versions {
			root := newForest(seed, v).tree(int(seed) * 4)
			data, err := bytesOf(erofs.Write, root, v)
			if err != nil {
				if strings.Contains(err.Error(), "bytes of xattrs") || strings.Contains(err.Error(), "that other inodes have too") {
					continue
				}
				t.Fatalf("seed %d: V%d: %v", seed, v, err)
			}
			if diff := sameTree(newForest(seed, v).tree(int(seed)*4), root); diff != "" {
				t.Fatalf("seed %d: V%d: changed by writing: %s", seed, v, diff)
			}
			got := readTree(t, data)
			if diff := sameTree(root, got); diff != "" {
				t.Fatalf("seed %d: V%d: written and read: %s", seed, v, diff)
			}
			if string(write(t, got, v)) != string(data) {
				t.Fatalf("seed %d: V%d: written, read and written: other bytes", seed, v)
			}
			checkObjects(t, data, root)
		}
	}
}

// checkObjects checks that an image passes Check and refers to the objects of
// its tree, and to no others.
func checkObjects(t *testing.T, data []byte, root *tree.Inode) {
	t.Helper()
	want := make(map[verity.ID]bool)
	for _, n := range tree.Walk(root) {
		if !n.Object.IsZero() {
			want[n.Object] = true
		}
		if id, ok := verity.ParseObjectPath(n.Payload); ok {
			want[id] = true
		}
	}
	img, err := erofs.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	list, err := objectsOf(img)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[verity.ID]bool)
	for _, id := range list {
		got[id] = true
	}
	if len(got) != len(want) {
		t.Fatalf("%d objects, want %d", len(got), len(want))
	}
	for id := range want {
		if !got[id] {
			t.Fatalf("object %v is missing", id)
		}
	}
}

// objectsOf returns what Objects gives.
func objectsOf(img *erofs.Reader) ([]verity.ID, error) {
	var list []verity.ID
	err := img.Objects(func(id verity.ID) error {
		list = append(list, id)
		return nil
	})
	return list, err
}
