package compare_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"cfs/lib/compare"
	"cfs/lib/tree"
	"cfs/lib/verity"
)

// differences returns all differences of two trees, a line each, and their cause.
func differences(t testing.TB, a, b compare.Tree) (lines []string, cause string) {
	t.Helper()
	summary, err := compare.Compare(a, b, func(d compare.Difference) error {
		lines = append(lines, line(d.Path, strings.TrimSpace(d.Attribute+" "+d.Name), d.Old, d.New))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if summary.Equal() != (len(lines) == 0) {
		t.Errorf("Equal is %v with %d differences", summary.Equal(), len(lines))
	}
	return lines, summary.Cause()
}

func line(path, attribute string, old, new compare.Value) string {
	show := func(v compare.Value) string {
		if !v.Set {
			return "-"
		}
		return fmt.Sprintf("%q", v.Text)
	}
	return fmt.Sprintf("%q: %s %s -> %s", path, attribute, show(old), show(new))
}

func value(s string) compare.Value { return compare.Value{Text: s, Set: true} }

// grove makes random trees.
type grove struct {
	*rand.Rand
	leaves []*tree.Inode
}

func newTree(seed uint64, names int) *tree.Inode {
	g := grove{Rand: rand.New(rand.NewPCG(seed, 1))}
	root := tree.NewDir(0o755)
	dirs := []*tree.Inode{root}
	for range names {
		dir := dirs[g.IntN(len(dirs))]
		name := fmt.Sprintf("%c%d\xff ", "a-./z"[g.IntN(3)], g.IntN(40))
		if dir.Lookup(name) != nil {
			continue
		}
		if len(g.leaves) > 0 && g.IntN(5) == 0 {
			dir.Put(name, g.leaves[g.IntN(len(g.leaves))])
			continue
		}
		n := g.inode()
		dir.Put(name, n)
		if n.IsDir() {
			dirs = append(dirs, n)
		} else {
			g.leaves = append(g.leaves, n)
		}
	}
	return root
}

func (g *grove) inode() *tree.Inode {
	types := []uint32{unix.S_IFREG, unix.S_IFREG, unix.S_IFDIR, unix.S_IFLNK, unix.S_IFCHR, unix.S_IFBLK, unix.S_IFIFO, unix.S_IFSOCK}
	n := &tree.Inode{Mode: types[g.IntN(len(types))] | g.Uint32N(0o10000), UID: g.Uint32N(3), GID: g.Uint32N(3)}
	n.Mtime = tree.Time{Sec: g.Int64N(5) - 2, Nsec: g.Uint32N(3)}
	for range g.IntN(3) {
		n.SetXattr(fmt.Sprintf("user.%d", g.IntN(4)), fmt.Sprint(g.IntN(2)))
	}
	switch n.Type() {
	case unix.S_IFLNK:
		n.Target = fmt.Sprint("to", g.IntN(3))
	case unix.S_IFCHR, unix.S_IFBLK:
		n.Rdev = 1 + g.Uint32N(3)
	case unix.S_IFREG:
		switch g.IntN(4) {
		case 0:
			n.Inline = fmt.Sprint("content", g.IntN(3))
			n.Size = uint64(len(n.Inline))
		case 1:
			n.Object, n.Size = verity.SHA512.Sum([]byte{byte(g.IntN(3))}), 100+g.Uint64N(3)
		case 2:
			n.Payload, n.Size = fmt.Sprint("payload", g.IntN(3)), 100
		}
	}
	return n
}

// clone copies a tree with its hard links.
func clone(root *tree.Inode) *tree.Inode {
	copies := make(map[*tree.Inode]*tree.Inode)
	var copyOf func(n *tree.Inode) *tree.Inode
	copyOf = func(n *tree.Inode) *tree.Inode {
		if c, ok := copies[n]; ok {
			return c
		}
		c := *n
		copies[n] = &c
		c.Xattrs = slices.Clone(n.Xattrs)
		c.Clear()
		for _, e := range n.Entries() {
			c.Put(e.Name, copyOf(e.Inode))
		}
		return &c
	}
	return copyOf(root)
}

// place is a name in a tree.
type place struct {
	path  string
	inode *tree.Inode
	dir   *tree.Inode // nil for the root
}

func (p place) name() string { return p.path[strings.LastIndexByte(p.path, '/')+1:] }

func places(root *tree.Inode) (list []place) {
	at := map[string]*tree.Inode{}
	for path, n := range tree.Walk(root) {
		at[path] = n
		dir := at[path[:max(1, strings.LastIndexByte(path, '/'))]]
		if path == "/" {
			dir = nil
		}
		list = append(list, place{path, n, dir})
	}
	return list
}

// change changes one thing of a place and returns what the difference is, nothing if
// the inode has no such thing.
type change func(p place) []string

func set(p place, attribute string, show func(*tree.Inode) string, do func(*tree.Inode)) []string {
	old := show(p.inode)
	do(p.inode)
	return []string{line(p.path, attribute, value(old), value(show(p.inode)))}
}

func stat(attribute, format string, fields func(*tree.Inode) []any, do func(*tree.Inode)) change {
	return func(p place) []string {
		return set(p, attribute, func(n *tree.Inode) string { return fmt.Sprintf(format, fields(n)...) }, do)
	}
}

// of makes a change of those that are of a type.
func of(has func(*tree.Inode) bool, c change) change {
	return func(p place) []string {
		if !has(p.inode) {
			return nil
		}
		return c(p)
	}
}

var changes = map[string]change{
	"mode": stat("mode", "%o", func(n *tree.Inode) []any { return []any{n.Mode} }, func(n *tree.Inode) { n.Mode ^= 0o4001 }),
	"uid":  stat("owner", "%d:%d", func(n *tree.Inode) []any { return []any{n.UID, n.GID} }, func(n *tree.Inode) { n.UID += 7 }),
	"gid":  stat("owner", "%d:%d", func(n *tree.Inode) []any { return []any{n.UID, n.GID} }, func(n *tree.Inode) { n.GID += 7 }),
	"sec":  stat("mtime", "%d.%d", func(n *tree.Inode) []any { return []any{n.Mtime.Sec, n.Mtime.Nsec} }, func(n *tree.Inode) { n.Mtime.Sec-- }),
	"nsec": stat("mtime", "%d.%d", func(n *tree.Inode) []any { return []any{n.Mtime.Sec, n.Mtime.Nsec} }, func(n *tree.Inode) { n.Mtime.Nsec++ }),
	"rdev": of(func(n *tree.Inode) bool { return n.Type() == unix.S_IFCHR || n.Type() == unix.S_IFBLK },
		stat("rdev", "%d", func(n *tree.Inode) []any { return []any{n.Rdev} }, func(n *tree.Inode) { n.Rdev += 256 })),
	"size": of((*tree.Inode).IsRegular,
		stat("size", "%d", func(n *tree.Inode) []any { return []any{n.Size} }, func(n *tree.Inode) { n.Size++ })),
	"target": of((*tree.Inode).IsSymlink,
		stat("target", "%s", func(n *tree.Inode) []any { return []any{n.Target} }, func(n *tree.Inode) { n.Target += "/" })),
	"object": of(func(n *tree.Inode) bool { return !n.Object.IsZero() },
		stat("content", "%v", func(n *tree.Inode) []any { return []any{n.Object} }, func(n *tree.Inode) { n.Object = verity.SHA256.Sum(nil) })),
	"path": of(func(n *tree.Inode) bool { return n.Payload != "" },
		stat("content", "path:%s", func(n *tree.Inode) []any { return []any{n.Payload} }, func(n *tree.Inode) { n.Payload += "x" })),
	"inline": of(func(n *tree.Inode) bool { return n.Inline != "" },
		stat("content", "inline:%v", func(n *tree.Inode) []any { return []any{verity.SHA256.Sum([]byte(n.Inline))} },
			func(n *tree.Inode) { n.Inline = strings.ToUpper(n.Inline) })),
	"payload": of(func(n *tree.Inode) bool { return !n.Object.IsZero() }, func(p place) []string {
		p.inode.Payload = "elsewhere"
		return []string{line(p.path, "payload", compare.Value{}, value("elsewhere"))}
	}),
	"implied path": of(func(n *tree.Inode) bool { return !n.Object.IsZero() }, func(p place) []string {
		p.inode.Payload = p.inode.Object.ObjectPath()
		return []string{}
	}),
	"new xattr": func(p place) []string {
		p.inode.SetXattr("security.new", "")
		return []string{line(p.path, "xattr security.new", compare.Value{}, value(""))}
	},
	"xattr": of(func(n *tree.Inode) bool { return len(n.Xattrs) > 0 }, func(p place) []string {
		x := &p.inode.Xattrs[0]
		return set(p, "xattr "+x.Name, func(*tree.Inode) string { return x.Value }, func(*tree.Inode) { x.Value += "\x00" })
	}),
	"no xattr": of(func(n *tree.Inode) bool { return len(n.Xattrs) > 0 }, func(p place) []string {
		x := p.inode.Xattrs[0]
		p.inode.Xattrs = p.inode.Xattrs[1:]
		return []string{line(p.path, "xattr "+x.Name, value(x.Value), compare.Value{})}
	}),
	"add": of((*tree.Inode).IsDir, func(p place) []string {
		p.inode.Put("0new", &tree.Inode{Mode: unix.S_IFIFO})
		return []string{line(strings.TrimSuffix(p.path, "/")+"/0new", "added", compare.Value{}, value("fifo"))}
	}),
	"type": of((*tree.Inode).IsSymlink, func(p place) []string {
		p.inode.Mode = unix.S_IFSOCK | p.inode.Mode&0o7777
		return []string{line(p.path, "type", value("symlink"), value("socket"))}
	}),
}

func TestSame(t *testing.T) {
	for seed := range uint64(100) {
		a := compare.Tree{Root: newTree(seed, int(seed))}
		if got, cause := differences(t, a, compare.Tree{Root: clone(a.Root)}); len(got) > 0 || cause != "" {
			t.Errorf("seed %d: a copy differs: %q, cause %q", seed, got, cause)
		}
	}
}

// A change is what is reported, and nothing else: once, under the first of the names.
func TestChanges(t *testing.T) {
	for name, do := range changes {
		made := 0
		for seed := range uint64(60) {
			a := newTree(seed, 40)
			b := clone(a)
			list := places(b)
			p := list[rand.New(rand.NewPCG(seed, 2)).IntN(len(list))]
			p = list[slices.IndexFunc(list, func(first place) bool { return first.inode == p.inode })]
			want := do(p)
			if want == nil {
				continue
			}
			made++
			got, cause := differences(t, compare.Tree{Root: a}, compare.Tree{Root: b})
			if diff := cmp.Diff(want, got, cmp.Transformer("empty", func(l []string) string { return strings.Join(l, "\n") })); diff != "" {
				t.Fatalf("%s, seed %d: %s", name, seed, diff)
			}
			if (cause == "") != (len(got) == 0) {
				t.Errorf("%s, seed %d: cause %q", name, seed, cause)
			}
		}
		if made == 0 {
			t.Errorf("%s: never made", name)
		}
	}
}

// All that is below a name goes with it.
func TestRemoved(t *testing.T) {
	for seed := range uint64(100) {
		a := newTree(seed, 60)
		b := clone(a)
		list := places(b)
		p := list[1+rand.New(rand.NewPCG(seed, 2)).IntN(len(list)-1)]
		p.dir.Remove(p.name())
		got, _ := differences(t, compare.Tree{Root: a}, compare.Tree{Root: b})
		i := 0
		for _, each := range list {
			if each.path == p.path || strings.HasPrefix(each.path, p.path+"/") {
				if i >= len(got) || !strings.HasPrefix(got[i], fmt.Sprintf("%q: removed ", each.path)) {
					t.Fatalf("seed %d: %s is not reported: %q", seed, each.path, got)
				}
				i++
			}
		}
		if i != len(got) {
			t.Errorf("seed %d: %s removed: %q", seed, p.path, got)
		}
	}
}

// Of two trees the other way round, the differences are the same the other way round.
func TestOtherWayRound(t *testing.T) {
	for seed := range uint64(50) {
		a, b := compare.Tree{Root: newTree(seed, 60)}, compare.Tree{Root: newTree(seed+1000, 60)}
		want, _ := differences(t, a, b)
		if len(want) == 0 {
			t.Fatal("equal trees")
		}
		var got []string
		_, err := compare.Compare(b, a, func(d compare.Difference) error {
			attribute, ok := map[string]string{compare.Added: compare.Removed, compare.Removed: compare.Added}[d.Attribute]
			if !ok {
				attribute = strings.TrimSpace(d.Attribute + " " + d.Name)
			}
			got = append(got, line(d.Path, attribute, d.New, d.Old))
			return nil
		})
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Fatalf("seed %d: error %v, %s", seed, err, diff)
		}
	}
}

func TestReportError(t *testing.T) {
	a, b := newTree(1, 40), newTree(2, 40)
	count := 0
	_, err := compare.Compare(compare.Tree{Root: a}, compare.Tree{Root: b}, func(compare.Difference) error {
		count++
		return fmt.Errorf("enough")
	})
	if err == nil || err.Error() != "enough" || count != 1 {
		t.Errorf("after %d reports: error %v", count, err)
	}
}
