package tree_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/tree"
)

// file returns a regular file of that content.
func file(content string) *tree.Inode {
	return &tree.Inode{Mode: unix.S_IFREG | 0o644, Size: uint64(len(content)), Inline: content}
}

// dir returns a directory of names and inodes, in turns.
func dir(entries ...any) *tree.Inode {
	d := tree.NewDir(0o755)
	for i := 0; i < len(entries); i += 2 {
		d.Put(entries[i].(string), entries[i+1].(*tree.Inode))
	}
	return d
}

func paths(root *tree.Inode) (list []string) {
	for path := range tree.Walk(root) {
		list = append(list, path)
	}
	return list
}

func TestWalk(t *testing.T) {
	shared := file("shared")
	root := dir("b", dir("x", shared, "a-b", file(""), "a", dir("z", file("z"))), "a", shared, "B", file("B"), "é", file("é"), "empty", dir())
	want := []string{"/", "/B", "/a", "/b", "/b/a", "/b/a/z", "/b/a-b", "/b/x", "/empty", "/é"}
	if got := paths(root); !slices.Equal(got, want) {
		t.Errorf("walked %q, want %q", got, want)
	}
	for path, n := range tree.Walk(root) {
		if (path == "/a" || path == "/b/x") != (n == shared) {
			t.Errorf("%s is %p, the hard link is %p", path, n, shared)
		}
	}
	if got := paths(file("x")); !slices.Equal(got, []string{"/"}) {
		t.Errorf("a root that is a file: %q", got)
	}
}

// TestWalkStops: wherever the caller has enough, at each of the paths.
func TestWalkStops(t *testing.T) {
	root := dir("a", dir("b", dir("c", file("c")), "d", file("d")), "e", file("e"))
	all := paths(root)
	for n := range all {
		var got []string
		for path := range tree.Walk(root) {
			got = append(got, path)
			if len(got) == n+1 {
				break
			}
		}
		if !slices.Equal(got, all[:n+1]) {
			t.Errorf("stopped at %q: got %q", all[n], got)
		}
	}
}

// TestCounts: on trees that a seed gives, Count is what Walk gives, and Links and Subdirs
// count what it meets.
func TestCounts(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 2))
		leaves := []*tree.Inode{file("a"), file("b"), {Mode: unix.S_IFLNK | 0o777, Target: "a"}, {Mode: unix.S_IFIFO | 0o600}}
		root := tree.NewDir(0o755)
		grow(random, root, leaves, 3)
		dirs, count, names, subdirs := 0, 0, map[*tree.Inode]uint32{}, map[string]uint32{}
		for path, n := range tree.Walk(root) {
			count++
			if n.IsDir() {
				dirs++
			}
			if !n.IsDir() {
				names[n]++
			} else if path != "/" {
				subdirs[path[:strings.LastIndex(path, "/")]]++
			}
		}
		maps.DeleteFunc(names, func(_ *tree.Inode, links uint32) bool { return links == 1 })
		if got := tree.CountDirs(root); got != dirs {
			t.Errorf("%d directories, want %d", got, dirs)
		}
		if got := tree.Count(root); got != count {
			t.Errorf("seed %d: count %d, walked %d", seed, got, count)
		}
		if got := tree.Links(root); !maps.Equal(got, names) {
			t.Errorf("seed %d: links %v, met %v", seed, got, names)
		}
		for path, n := range tree.Walk(root) {
			if want := subdirs[strings.TrimSuffix(path, "/")]; n.IsDir() && n.Subdirs() != want {
				t.Errorf("seed %d: %s has %d directories, want %d", seed, path, n.Subdirs(), want)
			}
		}
	}
}

// grow fills a directory with directories, leaves of its own and hard links to leaves.
func grow(random *rand.Rand, d *tree.Inode, leaves []*tree.Inode, depth int) {
	for i := range random.IntN(6) {
		switch random.IntN(3) {
		case 0:
			d.Put(fmt.Sprint("own", i), file("own"))
		case 1:
			d.Put(fmt.Sprint("link", i), leaves[random.IntN(len(leaves))])
		default:
			sub := tree.NewDir(0o700)
			d.Put(fmt.Sprint("dir", i), sub)
			if depth > 0 {
				grow(random, sub, leaves, depth-1)
			}
		}
	}
}

func TestEntries(t *testing.T) {
	a, b := file("a"), file("b")
	d := dir("z", a, "y", b, "\xff", a, "", b)
	d.Put("z", b) // in place of a
	want := []tree.Entry{{Name: "", Inode: b}, {Name: "y", Inode: b}, {Name: "z", Inode: b}, {Name: "\xff", Inode: a}}
	if got := d.Entries(); !slices.Equal(got, want) || d.Len() != 4 {
		t.Errorf("entries %v of %d", got, d.Len())
	}
	d.Remove("y")
	d.Remove("none")
	if d.Lookup("y") != nil || d.Lookup("z") != b || d.Len() != 3 {
		t.Errorf("after a removal: %v", d.Entries())
	}
	other := tree.NewDir(0o700)
	other.Put("gone", a)
	other.TakeEntries(d)
	if other.Lookup("gone") != nil || other.Lookup("z") != b || other.Mode != unix.S_IFDIR|0o700 {
		t.Errorf("entries that were taken: %v", other.Entries())
	}
	other.Clear()
	if other.Len() != 0 || len(other.Entries()) != 0 || other.Lookup("z") != nil {
		t.Errorf("a directory that was cleared: %v", other.Entries())
	}
	other.Put("new", a)
	if other.Lookup("new") != a {
		t.Error("nothing can be put into a directory that was cleared")
	}
}

// TestXattrs: they stay sorted by name, each once, in whatever order they come.
func TestXattrs(t *testing.T) {
	names := []string{"", "security.capability", "trusted.x", "user.", "user.a", "user.a.b", "user.b", "user.é\xff"}
	for seed := range uint64(20) {
		n := file("")
		for _, i := range rand.New(rand.NewPCG(seed, 3)).Perm(len(names)) {
			n.SetXattr(names[i], "first")
			n.SetXattr(names[i], names[i]+"\x00")
		}
		for i, x := range n.Xattrs {
			if len(n.Xattrs) != len(names) || x.Name != names[i] || x.Value != names[i]+"\x00" {
				t.Fatalf("seed %d: %q", seed, n.Xattrs)
			}
			if v, ok := n.Xattr(x.Name); !ok || v != x.Value {
				t.Errorf("seed %d: %q is %q, %v", seed, x.Name, v, ok)
			}
		}
		for _, name := range []string{"user", "user.aa", "zzz", "a"} {
			if v, ok := n.Xattr(name); ok {
				t.Errorf("%q is %q", name, v)
			}
		}
	}
}

func TestTypes(t *testing.T) {
	for _, v := range []struct {
		n                               tree.Inode
		dir, regular, symlink, whiteout bool
	}{
		{*tree.NewDir(0o1777), true, false, false, false},
		{tree.Inode{Mode: unix.S_IFREG | 0o4755}, false, true, false, false},
		{tree.Inode{Mode: unix.S_IFLNK | 0o777}, false, false, true, false},
		{tree.Inode{Mode: unix.S_IFCHR}, false, false, false, true},
		{tree.Inode{Mode: unix.S_IFCHR, Rdev: 1}, false, false, false, false},
		{tree.Inode{Mode: unix.S_IFBLK}, false, false, false, false},
		{tree.Inode{Mode: unix.S_IFSOCK}, false, false, false, false},
	} {
		n := &v.n
		if n.IsDir() != v.dir || n.IsRegular() != v.regular || n.IsSymlink() != v.symlink || n.IsWhiteout() != v.whiteout {
			t.Errorf("mode %o, device %d: %v %v %v %v", n.Mode, n.Rdev, n.IsDir(), n.IsRegular(), n.IsSymlink(), n.IsWhiteout())
		}
	}
	if n := tree.NewDir(0o177777); n.Mode != unix.S_IFDIR|0o7777 {
		t.Errorf("mode %o of a directory with other bits", n.Mode)
	}
}
