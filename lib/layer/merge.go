package layer

import (
	"fmt"
	"io"
	"strings"

	"cfs/lib/corrupt"
	"cfs/lib/splitstream"
	"cfs/lib/tarball"
	"cfs/lib/tolerance"
	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// Merger makes the tree of a container's root file system from its layers.
type Merger struct {
	Xattrs variant.XattrMode
	Rules  *tolerance.Rules // what is tolerated; nil tolerates all of it
	Layer  string           // that is added next, such as "layer DIGEST": begins warnings
	Entry  func(n int64)    // is told of each entry that is applied; it may be nil

	found  tolerance.Rules // what was tolerated so far
	member string          // that is applied

	root      *tree.Inode
	rootEntry bool // a layer had an entry for the root itself
	implied   int  // directories made so far

	marks                     // of the layer that is added
	linked map[entry]struct{} // its names of inodes of lower layers

	parents []string // room for those of a member
	walk    walk     // to its directory
}

// entry is a name in a directory.
type entry struct {
	dir  *tree.Inode
	name string
}

// Add applies a layer, in the order of its members, on top of what there is.
func (g *Merger) Add(s *splitstream.Reader) error {
	r, err := NewReader(s)
	if err != nil {
		return err
	}
	g.start()
	for {
		m, object, inline, err := r.Next()
		if err == io.EOF {
			return g.note(r.tar.End, "")
		}
		if err == nil {
			if err = g.apply(m, object, inline); err != nil {
				err = fmt.Errorf("%.300q at byte %d: %w", m.Name, m.Offset, err)
			}
		}
		if err != nil {
			return err
		}
		if g.Entry != nil {
			g.Entry(1)
		}
	}
}

// start begins a layer.
func (g *Merger) start() {
	if g.root == nil {
		g.root = tree.NewDir(0o755)
	}
	g.found.Strict, g.found.Where = g.Rules.IsStrict(), g.Layer
	g.marks.next()
	g.linked = nil
}

// Tree returns the merged tree in the canonical form of container images. Only then Rules
// have what was tolerated.
func (g *Merger) Tree() (*tree.Inode, error) {
	if g.root == nil {
		g.root = tree.NewDir(0o755)
	}
	hideMetadata(g.root)
	g.Rules.Merge(&g.found)
	return tree.Canonicalize(g.root, !g.rootEntry, g.Rules)
}

// apply does what one member says.
func (g *Merger) apply(m *tarball.Member, object verity.ID, inline string) error {
	g.member = m.Name
	parents, name, err := splitPath(g.parents[:0], m.Name)
	if err != nil {
		return err
	}
	g.parents = parents
	isWhiteout := strings.HasPrefix(name, whiteout)
	if isWhiteout {
		m.Read &^= tolerance.SetOf(tolerance.SlashedName) // of what type it is means nothing
	}
	if err := g.note(m.Read, m.Name); err != nil {
		return err
	}
	switch {
	case isMetadata(parents):
		return g.addMetadata(parents, name, m, object, inline)
	case isWhiteout:
		if err := g.checkWhiteout(m, object, inline); err != nil {
			return err
		}
		return g.remove(parents, name)
	}
	n, err := g.inode(m, object, inline)
	if err != nil {
		return err
	}
	if name == "" {
		return g.setRoot(n)
	}
	return g.put(parents, name, n)
}

// note notes in which ways a member, or the end of the archive, is read.
func (g *Merger) note(read tolerance.Set, name string) error {
	for k := range read.Kinds() {
		if err := g.found.Note(k, name); err != nil {
			return err
		}
	}
	return nil
}

// put names an inode. A directory on a directory keeps the entries, and its place in
// memory.
func (g *Merger) put(parents []string, name string, n *tree.Inode) error {
	dir, err := g.directory(parents, true)
	if err != nil {
		return err
	}
	if n.IsDir() {
		if err := g.walk.checkDepth(1); err != nil {
			return err
		}
		if old := dir.Lookup(name); old != nil && old.IsDir() {
			g.replace(old, n)
			return nil
		}
	}
	name = strings.Clone(name) // without all of its path
	if !g.has(n, own) {
		if g.linked == nil {
			g.linked = make(map[entry]struct{})
		}
		g.linked[entry{dir, name}] = struct{}{}
	}
	dir.Put(name, n)
	return nil
}

// replace makes a directory what n is, but for its entries.
func (g *Merger) replace(dir, n *tree.Inode) {
	n.TakeEntries(dir)
	g.mark(n, g.of(dir))
	*dir = *n
}

func (g *Merger) setRoot(n *tree.Inode) error {
	if !n.IsDir() {
		return corrupt.Errorf("the root must be a directory")
	}
	g.replace(g.root, n)
	g.rootEntry = true
	return nil
}
