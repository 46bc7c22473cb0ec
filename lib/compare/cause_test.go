package compare_test

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/compare"
	"cfs/lib/dumpfile"
	"cfs/lib/tree"
	"cfs/lib/verity"
)

// base is a tree as an installation leaves it: with labels and a hard link, something
// in /run, and a root that is not as /usr is.
const base = `/ 0 40755 5 0 0 0 300.0 - - - security.selinux=root_t
/etc 0 40755 2 0 0 0 200.7 - - - security.selinux=etc_t
/etc/x\ty 3 100644 1 1000 1000 0 100.5 - one - security.selinux=etc_t user.a=1
/run 0 40755 3 0 0 0 200.0 - - - security.selinux=run_t
/run/lock 0 40755 2 0 0 0 100.0 - - - security.selinux=run_t
/run/lock/pid 2 100644 1 0 0 0 100.0 - 42 - security.selinux=run_t
/usr 0 40755 2 0 0 0 100.0 - - - security.selinux=usr_t
/usr/a 5 100755 2 0 0 0 100.3 - equal - security.selinux=usr_t
/usr/b 0 @120000 - - - - 0.0 /usr/a - -
/usr/link 4 120777 1 0 0 0 100.0 ../a - - security.selinux=usr_t
`

func read(t testing.TB, dump string) *tree.Inode {
	t.Helper()
	root, err := dumpfile.Read(strings.NewReader(dump), dumpfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// at returns what has a path.
func at(root *tree.Inode, path string) *tree.Inode {
	for name := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if name != "" {
			root = root.Lookup(name)
		}
	}
	return root
}

// inodes calls do with each inode, once.
func inodes(root *tree.Inode, do func(n *tree.Inode)) {
	seen := make(map[*tree.Inode]bool)
	for _, n := range tree.Walk(root) {
		if !seen[n] {
			do(n)
		}
		seen[n] = true
	}
}

func dropLabel(n *tree.Inode) { n.Xattrs = n.Xattrs[1:] } // security.selinux comes first

func canonicalize(root *tree.Inode) {
	usr := at(root, "/usr")
	root.Mode, root.UID, root.GID, root.Mtime, root.Xattrs = usr.Mode, usr.UID, usr.GID, usr.Mtime, usr.Xattrs
	at(root, "/run").Clear()
	at(root, "/run").Mtime = usr.Mtime
}

var causes = []struct {
	name   string
	change func(root *tree.Inode)
	want   string
}{
	{"directory times", func(root *tree.Inode) { at(root, "/etc").Mtime.Sec++; at(root, "/usr").Mtime.Sec += 5 },
		"only directory mtimes differ (2 entries)"},
	{"times", func(root *tree.Inode) { inodes(root, func(n *tree.Inode) { n.Mtime = tree.Time{} }) },
		"only mtimes differ (9 entries): all 0.0 in B"},
	{"nanoseconds", func(root *tree.Inode) { inodes(root, func(n *tree.Inode) { n.Mtime.Nsec = 0 }) },
		"only nanoseconds of mtimes differ (3 entries): B has none"},
	{"a nanosecond", func(root *tree.Inode) { at(root, "/etc").Mtime.Nsec++ },
		"only nanoseconds of mtimes differ (1 entry)"},
	{"owners", func(root *tree.Inode) { inodes(root, func(n *tree.Inode) { n.UID, n.GID = 0, 0 }) },
		"only owners differ (1 entry)"},
	{"all owners", func(root *tree.Inode) { inodes(root, func(n *tree.Inode) { n.UID, n.GID = 7, 8 }) },
		"only owners differ (9 entries): all 7:8 in B"},
	{"labels", func(root *tree.Inode) { inodes(root, dropLabel) },
		"security.selinux is missing on 9 entries of B"},
	{"a label", func(root *tree.Inode) { at(root, "/usr/b").Xattrs[0].Value += "\x00" },
		"only values of security.selinux differ (1 entry)"},
	{"one xattr more", func(root *tree.Inode) { at(root, "/usr").SetXattr("user.\t", "") },
		`user.\t is missing on 1 entry of A`},
	{"labels and other xattrs", func(root *tree.Inode) { inodes(root, func(n *tree.Inode) { n.Xattrs = nil }) },
		"10 xattrs of several names are missing in B"},
	{"labels in part", func(root *tree.Inode) { dropLabel(at(root, "/usr")); at(root, "/etc").Xattrs[0].Value = "" },
		"only security.selinux differs (2 entries)"},
	{"canonical form", canonicalize,
		"B is in the canonical form of container images, A is not: root as /usr, /run empty"},
	{"canonical form without labels", func(root *tree.Inode) { canonicalize(root); inodes(root, func(n *tree.Inode) { n.Xattrs = nil }) },
		"B is in the canonical form of container images, A is not: root as /usr, /run empty, few xattrs"},
	{"canonical form and more", func(root *tree.Inode) { canonicalize(root); at(root, "/usr/a").Mode ^= 1 }, ""},
	{"almost canonical form", func(root *tree.Inode) { canonicalize(root); at(root, "/run").Mtime.Sec++ }, ""},
	{"root", func(root *tree.Inode) { root.Mode, root.UID = 0o40700, 5 },
		"only the root directory itself differs"},
	{"hard link", func(root *tree.Inode) { c := *at(root, "/usr/b"); at(root, "/usr").Put("b", &c) },
		"hard links of A are files of their own in B (1 entry)"},
	{"hash", func(root *tree.Inode) {
		n := at(root, "/usr/a")
		n.Inline, n.Object = "", verity.SHA256.Sum([]byte(n.Inline))
	}, "equal contents, inline in one and objects in the other (1 entry)"},
	{"other content", func(root *tree.Inode) { at(root, "/usr/a").Inline = "EQUAL" },
		"only contents differ (1 entry)"},
	{"names", func(root *tree.Inode) {
		at(root, "/run/lock").Remove("pid")
		at(root, "/run").Put("new", tree.NewDir(0))
	},
		"only names differ (1 removed, 1 added), all at or below /run"},
	{"names and times", func(root *tree.Inode) { at(root, "/usr").Remove("link"); at(root, "/usr").Mtime.Sec++ },
		"only names differ (1 removed, 0 added), and mtimes of directories (1 entry), all at or below /usr"},
	{"modes", func(root *tree.Inode) { inodes(root, func(n *tree.Inode) { n.Mode |= 0o002 }) },
		"only modes differ (8 entries)"},
	{"targets", func(root *tree.Inode) { at(root, "/usr/link").Target = "/" },
		"only targets of symlinks differ (1 entry)"},
	{"below", func(root *tree.Inode) { at(root, `/etc/x	y`).Mode, at(root, `/etc/x	y`).UID = unix.S_IFREG, 9 },
		`all differences are at or below /etc/x\ty`},
	{"no one cause", func(root *tree.Inode) { at(root, "/etc").Mode, at(root, "/usr").UID = 0o40700, 9 }, ""},
}

func TestCauses(t *testing.T) {
	for _, c := range causes {
		a, b := compare.Tree{Root: read(t, base)}, compare.Tree{Root: read(t, base)}
		c.change(b.Root)
		if _, got := differences(t, a, b); got != c.want {
			t.Errorf("%s: cause %q, want %q", c.name, got, c.want)
		}
		// Which of them is A changes which is named, but not whether there is a cause.
		if _, got := differences(t, b, a); (got == "") != (c.want == "") {
			t.Errorf("%s: the other way round, cause %q", c.name, got)
		}
	}
}

func TestFormats(t *testing.T) {
	for _, c := range []struct {
		change func(root *tree.Inode)
		want   string
	}{
		{func(*tree.Inode) {}, "format 1 against 2, trees equal"},
		{func(root *tree.Inode) { inodes(root, func(n *tree.Inode) { n.Mtime.Nsec = 0 }) },
			"format 1 against 2, and only nanoseconds of mtimes differ (3 entries): B is of format 2, which holds none"},
		{canonicalize,
			"format 1 against 2, and B is in the canonical form of container images, A is not: root as /usr, /run empty"},
		{func(root *tree.Inode) { at(root, "/etc").Mode, at(root, "/usr").UID = 0o40700, 9 }, ""},
	} {
		a, b := compare.Tree{Root: read(t, base), Format: "1"}, compare.Tree{Root: read(t, base), Format: "2"}
		c.change(b.Root)
		lines, got := differences(t, a, b)
		if got != c.want || lines[0] != `"/": format "1" -> "2"` {
			t.Errorf("cause %q, want %q; %q", got, c.want, lines)
		}
		b.Format = ""
		if lines, _ := differences(t, a, b); strings.Contains(strings.Join(lines, ""), "format") {
			t.Errorf("a dumpfile has no format: %q", lines)
		}
	}
}

// Counts are written for people.
func TestLargeCount(t *testing.T) {
	a, b := tree.NewDir(0o755), tree.NewDir(0o755)
	for i := range 12345 {
		name := strings.Repeat("n", 1+i%100) + string(rune('A'+i/100))
		labelled := tree.NewDir(0o755)
		labelled.SetXattr("security.selinux", "label")
		a.Put(name, labelled)
		b.Put(name, tree.NewDir(0o755))
	}
	if _, got := differences(t, compare.Tree{Root: a}, compare.Tree{Root: b}); got != "security.selinux is missing on 12,345 entries of B" {
		t.Errorf("cause %q", got)
	}
}
