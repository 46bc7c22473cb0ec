package layer

import (
	"fmt"
	"slices"
	"strings"

	"cfs/lib/tree"
)

// XattrMode says which extended attributes a tree keeps.
type XattrMode int

const (
	AllowlistOnly  XattrMode = iota // security.capability
	KeepUserXattrs                  // that, and user.*
)

// String returns the name that --xattrs and the references of boot images use.
func (x XattrMode) String() string {
	if x == KeepUserXattrs {
		return "keep-user-xattrs"
	}
	return "allowlist-only"
}

// ParseXattrMode reads what String returns.
func ParseXattrMode(s string) (XattrMode, error) {
	for _, x := range []XattrMode{AllowlistOnly, KeepUserXattrs} {
		if s == x.String() {
			return x, nil
		}
	}
	return 0, fmt.Errorf("unknown xattr mode %q: want %s or %s", s, AllowlistOnly, KeepUserXattrs)
}

// Keeps reports whether the tree keeps the extended attribute of a name.
func (x XattrMode) Keeps(name string) bool {
	return name == "security.capability" || x == KeepUserXattrs && strings.HasPrefix(name, "user.")
}

func (x XattrMode) filter(all []tree.Xattr) []tree.Xattr {
	return slices.DeleteFunc(all, func(a tree.Xattr) bool { return !x.Keeps(a.Name) })
}

// Canonicalize is Merger.Tree for a tree that was made otherwise, with a root whose
// metadata is known and xattrs that are filtered. The given root must not be used any
// more.
func Canonicalize(root *tree.Inode, strict bool) (*tree.Inode, error) {
	g := Merger{Strict: strict, root: root, rootEntry: true}
	return g.Tree()
}

// Tree returns the merged tree in the canonical form of container images, which
// makes it independent of what tars tend to lack: the root is as /usr is, and /run
// is empty and as old as /usr.
func (g *Merger) Tree() (*tree.Inode, error) {
	if g.root == nil {
		g.root = tree.NewDir(0o755)
	}
	if usr := g.root.Lookup("usr"); usr != nil && usr.IsDir() {
		root := *usr
		root.Xattrs = slices.Clone(usr.Xattrs)
		root.TakeEntries(g.root)
		g.root = &root
	} else {
		if err := g.refuse("/usr is missing or no directory"); err != nil {
			return nil, err
		}
		if !g.rootEntry {
			bare := tree.NewDir(0o755)
			bare.TakeEntries(g.root)
			g.root = bare
		}
	}
	switch run := g.root.Lookup("run"); {
	case run == nil:
	case run.IsDir():
		run.Clear()
		run.Mtime = g.root.Mtime
	default:
		if err := g.refuse("/run is no directory"); err != nil {
			return nil, err
		}
	}
	return g.root, nil
}
