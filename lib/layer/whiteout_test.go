package layer_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"cfs/lib/corrupt"
	"cfs/lib/tolerance"
	"cfs/lib/tree"
	"cfs/lib/verity"
	"cfs/testdata/rawtar"
)

type member = rawtar.Member

var (
	file     = rawtar.File
	dir      = rawtar.Dir
	hardlink = rawtar.Hardlink
	symlink  = rawtar.Symlink
)

// with returns a member of another mode.
func with(m member, mode int) member {
	m.Mode = mode
	return m
}

// lower is the layer that others lie on.
var lower = []member{
	dir("usr/"), file("usr/a", "a"), file("usr/b", "b"), symlink("usr/s", "d"),
	with(dir("usr/d/"), 0o700), file("usr/d/x", "x"), dir("usr/d/e/"), file("usr/d/e/y", "y"),
}

const kept = "/usr; /usr/a=a; /usr/b=b; "

// whiteouts are layers on lower, and what the tree is then.
var whiteouts = []struct {
	name   string
	layer  []member
	want   string // the tree, "" if it is refused
	says   string // the refusal, or the warning, if there is one
	strict bool   // the reference makes the same tree
}{
	{name: "a file", layer: []member{file("usr/.wh.a", "")}, want: "/usr; /usr/b=b; /usr/d 700; /usr/d/e; /usr/d/e/y=y; /usr/d/x=x; /usr/s>d", strict: true},
	{name: "a directory", layer: []member{file("usr/.wh.d", "")}, want: kept + "/usr/s>d", strict: true},
	{name: "nothing", layer: []member{file("usr/.wh.none", ""), file("usr/.wh.d", "")}, want: kept + "/usr/s>d", strict: true},

	// The order within a layer means nothing.
	{name: "opaque first", layer: []member{file("usr/d/.wh..wh..opq", ""), file("usr/d/n", "n")}, want: kept + "/usr/d 700; /usr/d/n=n; /usr/s>d", strict: true},
	{name: "opaque last", layer: []member{file("usr/d/n", "n"), file("usr/d/.wh..wh..opq", "")}, want: kept + "/usr/d 700; /usr/d/n=n; /usr/s>d", says: `"usr/d/.wh..wh..opq"`},
	{name: "opaque between", layer: []member{file("usr/d/m", "m"), file("usr/d/.wh..wh..opq", ""), file("usr/d/n", "n")}, want: kept + "/usr/d 700; /usr/d/m=m; /usr/d/n=n; /usr/s>d", says: `"usr/d/.wh..wh..opq"`},
	{name: "opaque twice", layer: []member{file("usr/d/.wh..wh..opq", ""), file("usr/d/n", "n"), file("usr/d/.wh..wh..opq", "")}, want: kept + "/usr/d 700; /usr/d/n=n; /usr/s>d", says: `"usr/d/.wh..wh..opq"`},
	{name: "opaque over a directory of both", layer: []member{file("usr/d/e/n", "n"), file("usr/d/.wh..wh..opq", "")}, want: kept + "/usr/d 700; /usr/d/e; /usr/d/e/n=n; /usr/s>d", says: `"usr/d/.wh..wh..opq"`},
	{name: "opaque over a directory of its own", layer: []member{with(dir("usr/d/e/"), 0o711), file("usr/d/.wh..wh..opq", "")}, want: kept + "/usr/d 700; /usr/d/e 711; /usr/s>d", says: `"usr/d/.wh..wh..opq"`},
	{name: "opaque, directory after", layer: []member{file("usr/d/n", "n"), file("usr/d/.wh..wh..opq", ""), with(dir("usr/d/"), 0o711)}, want: kept + "/usr/d 711; /usr/d/n=n; /usr/s>d", says: `"usr/d/.wh..wh..opq"`},
	{name: "opaque root", layer: []member{file("n", "n"), file(".wh..wh..opq", ""), dir("usr/")}, want: "/n=n; /usr", says: `".wh..wh..opq"`},
	{name: "opaque root first", layer: []member{file(".wh..wh..opq", ""), dir("usr/"), file("n", "n")}, want: "/n=n; /usr", strict: true},
	{name: "a file before its whiteout", layer: []member{file("usr/a", "n"), file("usr/.wh.a", "")}, want: "/usr; /usr/a=n; /usr/b=b; /usr/d 700; /usr/d/e; /usr/d/e/y=y; /usr/d/x=x; /usr/s>d", says: `"usr/.wh.a"`},
	{name: "a file after its whiteout", layer: []member{file("usr/.wh.a", ""), file("usr/a", "n")}, want: "/usr; /usr/a=n; /usr/b=b; /usr/d 700; /usr/d/e; /usr/d/e/y=y; /usr/d/x=x; /usr/s>d", strict: true},
	{name: "a directory before its whiteout", layer: []member{with(dir("usr/d/"), 0o711), file("usr/d/n", "n"), file("usr/.wh.d", "")}, want: kept + "/usr/d 711; /usr/d/n=n; /usr/s>d", says: `"usr/.wh.d"`},
	{name: "a directory around its whiteout", layer: []member{file("usr/d/n", "n"), file("usr/.wh.d", ""), file("usr/d/m", "m")}, want: kept + "/usr/d; /usr/d/m=m; /usr/d/n=n; /usr/s>d", says: `"usr/.wh.d"`},
	{name: "a member below before the whiteout", layer: []member{file("usr/d/e/n", "n"), file("usr/.wh.d", "")}, want: kept + "/usr/d; /usr/d/e; /usr/d/e/n=n; /usr/s>d", says: `"usr/.wh.d"`},
	{name: "whiteouts twice", layer: []member{file("usr/d/n", "n"), file("usr/.wh.d", ""), file("usr/.wh.d", "")}, want: kept + "/usr/d; /usr/d/n=n; /usr/s>d", says: `"usr/.wh.d"`},
	{name: "a hard link before the whiteout of its target", layer: []member{hardlink("usr/c", "usr/a"), file("usr/.wh.a", ""), file("usr/.wh.d", "")}, want: "/usr; /usr/b=b; /usr/c=a; /usr/s>d", strict: true},
	{name: "a hard link before its whiteout", layer: []member{hardlink("usr/c", "usr/a"), file("usr/.wh.c", ""), file("usr/.wh.d", "")}, want: "/usr; /usr/a=a *2; /usr/b=b; /usr/c=a *2; /usr/s>d", says: `"usr/.wh.c"`},
	{name: "a hard link and an opaque whiteout", layer: []member{hardlink("usr/d/c", "usr/a"), with(dir("usr/d/"), 0o711), file("usr/d/.wh..wh..opq", "")}, want: "/usr; /usr/a=a *2; /usr/b=b; /usr/d 711; /usr/d/c=a *2; /usr/s>d", says: `"usr/d/.wh..wh..opq"`},
	{name: "a hard link that replaces", layer: []member{hardlink("usr/b", "usr/a"), file("usr/.wh.b", ""), file("usr/.wh.d", "")}, want: "/usr; /usr/a=a *2; /usr/b=a *2; /usr/s>d", says: `"usr/.wh.b"`},
	{name: "through a link", layer: []member{file("usr/s/n", "n"), file("usr/d/.wh..wh..opq", "")}, want: kept + "/usr/d 700; /usr/d/n=n; /usr/s>d", says: `"usr/d/.wh..wh..opq"`},
	{name: "of the link", layer: []member{file("usr/s/n", "n"), file("usr/.wh.s", ""), file("usr/d/.wh.e", ""), file("usr/d/.wh.x", "")}, want: kept + "/usr/d 700; /usr/d/n=n"},

	// The name decides.
	{name: "a directory as a whiteout", layer: []member{dir("usr/.wh.d/")}, want: kept + "/usr/s>d", strict: true},
	{name: "a V7 directory as one", layer: []member{{Name: "usr/.wh.d/", Magic: rawtar.V7}}, want: kept + "/usr/s>d", strict: true},
	{name: "a symbolic link as one", layer: []member{symlink("usr/.wh.d", "x")}, want: kept + "/usr/s>d", strict: true},
	{name: "with content", layer: []member{file("usr/.wh.d", strings.Repeat("content ", 100))}, want: kept + "/usr/s>d", strict: true},
	{name: "a hard link to a file as one", layer: []member{hardlink("usr/.wh.d", "usr/a")}, want: kept + "/usr/s>d", strict: true},
	{name: "a hard link to nothing as one", layer: []member{hardlink("usr/.wh.d", "none")}, want: kept + "/usr/s>d"},
	{name: "a hard link to a whiteout as one", layer: []member{file("usr/.wh.none", ""), hardlink("usr/.wh.d", "usr/.wh.none")}, want: kept + "/usr/s>d"},
	{name: "a hard link to a directory as one", layer: []member{hardlink("usr/.wh.d", "usr")}, want: kept + "/usr/s>d"},
	{name: "a device as one", layer: []member{{Type: '3', Name: "usr/.wh.d"}}, want: kept + "/usr/s>d", strict: true},
	{name: "a V7 device as one", layer: []member{{Type: '4', Name: "usr/.wh.d", Magic: rawtar.V7}}, want: kept + "/usr/s>d"},
	{name: "an unknown type as one", layer: []member{{Type: 'Z', Name: "usr/.wh.d"}}, want: kept + "/usr/s>d"},
	{name: "an opaque hard link", layer: []member{hardlink("usr/d/.wh..wh..opq", "none")}, want: kept + "/usr/d 700; /usr/s>d"},
	{name: "a link to a whiteout", layer: []member{file("usr/.wh.d", ""), hardlink("usr/n", "usr/.wh.d")}, says: `hard link to "usr/.wh.d"`},
	{name: "a name of 255 bytes", layer: []member{rawtar.PAX("path=usr/" + strings.Repeat("n", 255)), file("n", "n"), rawtar.PAX("path=usr/.wh." + strings.Repeat("n", 255)), file("n", ""), file("usr/.wh.d", "")}, want: kept + "/usr/" + strings.Repeat("n", 255) + "=n; /usr/s>d", says: "usr/.wh.nnn"},
	{name: "a name of 256 bytes", layer: []member{rawtar.PAX("path=usr/.wh." + strings.Repeat("n", 256)), file("n", "")}, says: "256 bytes"},

	// Names that are none.
	{name: "bare", layer: []member{file("usr/.wh.", "")}, says: `whiteout of ""`},
	{name: "bare in the root", layer: []member{file(".wh.", "")}, says: `whiteout of ""`},
	{name: "bare directory", layer: []member{dir("usr/.wh./")}, says: `whiteout of ""`},
	{name: "of a dot", layer: []member{file("usr/.wh..", "")}, says: `whiteout of "."`},
	{name: "of two dots", layer: []member{file("usr/.wh...", "")}, says: `whiteout of ".."`},
	{name: "of three dots", layer: []member{file("usr/.wh....", ""), file("usr/.wh.d", "")}, want: kept + "/usr/s>d", strict: true},
	{name: "below a whiteout", layer: []member{dir("usr/.wh.d/"), file("usr/.wh.d/y", "")}, says: `below ".wh.d"`},
	{name: "far below a whiteout", layer: []member{file("usr/.wh.d/e/y", "")}, says: `below ".wh.d"`},
	{name: "below an opaque one", layer: []member{file(".wh..wh..opq/y", "")}, says: `below ".wh..wh..opq"`},
	{name: "a link below a whiteout", layer: []member{hardlink("usr/n", ".wh.d/y")}, says: `below ".wh.d"`},

	// AUFS.
	{name: "metadata", layer: []member{file(".wh..wh.aufs", ""), dir(".wh..wh.orph/"), dir(".wh..wh.plnk/"), file("usr/.wh.d", "")}, want: kept + "/usr/s>d", strict: true},
	{name: "metadata elsewhere", layer: []member{file("usr/.wh..wh.plnk", ""), dir("usr/.wh..wh.orph/"), file("usr/.wh.d", "")}, want: kept + "/usr/s>d", strict: true},
	{name: "below metadata elsewhere", layer: []member{file("usr/.wh..wh.plnk/x", "")}, says: `below ".wh..wh.plnk"`},
	{name: "links into plnk", layer: []member{dir("./.wh..wh.plnk/"), file("./.wh..wh.plnk/1.2", "p"), hardlink("./usr/n", "./.wh..wh.plnk/1.2"), hardlink("usr/m", "/.wh..wh.plnk/1.2"), file("usr/.wh.d", "")}, want: kept + "/usr/m=p *3; /usr/n=p *3; /usr/s>d"},
	{name: "a link of plnk", layer: []member{dir(".wh..wh.plnk/"), hardlink(".wh..wh.plnk/1.2", "usr/a"), file("usr/.wh.d", "")}, want: "/usr; /usr/a=a *2; /usr/b=b; /usr/s>d"},
	{name: "what is nothing in plnk", layer: []member{dir(".wh..wh.plnk/"), hardlink(".wh..wh.plnk/1.2", "none"), {Type: 'Z', Name: ".wh..wh.plnk/x"}, {Type: 'Z', Name: ".wh..wh.odd"}, file("usr/.wh.d", "")}, want: kept + "/usr/s>d"},
	{name: "a link of the root", layer: []member{hardlink(".wh..wh.aufs", "usr/a"), file("usr/.wh.d", "")}, want: kept + "/usr/s>d", strict: true},
	{name: "a link to one of the root", layer: []member{file(".wh..wh.aufs", ""), hardlink("usr/n", ".wh..wh.aufs")}, says: "does not exist"},
	{name: "a link to what is not in plnk", layer: []member{dir(".wh..wh.plnk/"), hardlink("usr/n", ".wh..wh.plnk/1.2")}, says: "does not exist"},
	{name: "without an entry for plnk", layer: []member{file(".wh..wh.plnk/1.2", "p"), hardlink("usr/n", ".wh..wh.plnk/1.2"), file("usr/.wh.d", "")}, want: kept + "/usr/n=p *2; /usr/s>d"},

	// Whiteouts of overlayfs.
	{name: "linked devices", layer: []member{{Type: '3', Name: "usr/w"}, hardlink("usr/w2", "usr/w"), hardlink("usr/w3", "usr/w2"), file("usr/.wh.d", "")}, want: kept + "/usr/s>d; /usr/w 0; /usr/w2 0; /usr/w3 0"},
	{name: "one device", layer: []member{{Type: '3', Name: "usr/w"}, file("usr/.wh.d", "")}, want: kept + "/usr/s>d; /usr/w 0", strict: true},
}

// list describes a tree: a name after the other, with what is odd about it.
func list(root *tree.Inode) string {
	links := tree.Links(root)
	var names []string
	for path, n := range tree.Walk(root) {
		switch {
		case path == "/":
			continue
		case n.IsRegular():
			path += "=" + n.Inline
		case n.IsSymlink():
			path += ">" + n.Target
		case n.Mode&0o7777 != 0o755:
			path += fmt.Sprintf(" %o", n.Mode&0o7777)
		}
		if count := max(links[n], 1) + n.Unnamed; count > 1 && !n.IsDir() {
			path += fmt.Sprintf(" *%d", count)
		}
		names = append(names, path)
	}
	return strings.Join(names, "; ")
}

// TestWhiteouts: whiteouts apply to lower layers only, wherever they stand, and none is
// in the image; strict rules refuse what the reference reads otherwise.
func TestWhiteouts(t *testing.T) {
	for _, c := range whiteouts {
		t.Run(c.name, func(t *testing.T) {
			var rules tolerance.Rules
			store := newStore(verity.SHA256)
			tars := [][]byte{rawtar.Tar(lower...), rawtar.Tar(c.layer...)}
			root, err := store.merge(t, tars, &rules)
			if c.want == "" {
				if err == nil || !corrupt.Is(err) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("error %v, want %q", err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := list(root); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			warnings := rules.Warnings()
			if c.says == "" && warnings != nil || c.says != "" && (len(warnings) != 1 || !strings.Contains(warnings[0], c.says) || !strings.HasPrefix(warnings[0], "layer 1: ")) {
				t.Errorf("warnings %q, want %q", warnings, c.says)
			}
			switch root, err = store.merge(t, tars, tolerance.Strict(true)); {
			case !c.strict && !errors.Is(err, tolerance.ErrRefused):
				t.Errorf("with strict rules: %v", err)
			case c.strict && (err != nil || list(root) != c.want):
				t.Errorf("with strict rules: %v", err)
			}
		})
	}
}
