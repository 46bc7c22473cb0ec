package layer

import (
	"errors"
	"strings"

	"cfs/lib/tarball"
	"cfs/lib/tolerance"
	"cfs/lib/tree"
	"cfs/lib/verity"
)

// What the names of members that are never in an image begin with (OCI image
// specification, "Whiteouts"). The name alone decides: of what type such a member is, and
// what it holds or leads to, means nothing.
const (
	whiteout = ".wh."         // removes what the rest of the name is the name of
	opaque   = ".wh..wh..opq" // removes all that is in the directory
	metadata = ".wh..wh."     // of a directory in the root: what AUFS kept for itself
)

// isMetadata reports whether a member is in a directory of AUFS. Other members may be hard
// links to it.
func isMetadata(parents []string) bool {
	return len(parents) > 0 && strings.HasPrefix(parents[0], metadata) && parents[0] != opaque
}

// checkWhiteout notes what the reference would not take for a whiteout.
func (g *Merger) checkWhiteout(m *tarball.Member, object verity.ID, inline string) error {
	if !g.found.Strict {
		return nil
	}
	_, err := g.inode(m, object, inline)
	if err == nil || errors.Is(err, tolerance.ErrRefused) {
		return err
	}
	return g.found.Note(tolerance.OddWhiteout, m.Name, err)
}

// addMetadata adds a member of AUFS, which is taken out again in the end. It is there
// only for links, so one that cannot be is left out.
func (g *Merger) addMetadata(parents []string, name string, m *tarball.Member, object verity.ID, inline string) error {
	if err := g.found.Note(tolerance.MetadataLink, m.Name); err != nil {
		return err
	}
	n, err := g.inode(m, object, inline)
	if err != nil {
		return nil
	}
	return g.put(parents, name, n)
}

// hideMetadata takes the members of AUFS out of the root. Links to them keep the link
// count that they have where the files are extracted.
func hideMetadata(root *tree.Inode) {
	for _, e := range root.Entries() {
		if !strings.HasPrefix(e.Name, whiteout) {
			continue
		}
		root.Remove(e.Name)
		for _, n := range tree.Walk(e.Inode) {
			n.Unnamed++
		}
	}
}

// remove does what a whiteout says, to what lower layers have: wherever it stands in its
// own, the members of that stay. Where there is nothing, nothing is removed.
func (g *Merger) remove(parents []string, name string) error {
	dir, err := g.directory(parents, false)
	if errors.Is(err, errMissing) {
		return g.found.Note(tolerance.MissingDirectory, g.member, err)
	}
	if err != nil {
		return err
	}
	kept := false
	if name == opaque {
		kept = g.clear(dir)
	} else {
		kept = g.clearEntry(dir, strings.TrimPrefix(name, whiteout))
	}
	if kept {
		return g.found.Note(tolerance.OwnMember, g.member)
	}
	return nil
}

// clear removes from a directory what lower layers have put there, and reports whether
// something is left. It does so once for each layer: nothing of lower ones comes back.
func (g *Merger) clear(dir *tree.Inode) bool {
	if !g.has(dir, cleared) {
		g.mark(dir, cleared)
		for _, e := range dir.Entries() {
			g.clearEntry(dir, e.Name)
		}
	}
	return dir.Len() > 0
}

// clearEntry is clear for one entry.
func (g *Merger) clearEntry(dir *tree.Inode, name string) bool {
	n := dir.Lookup(name)
	if n == nil {
		return false
	}
	_, linked := g.linked[entry{dir, name}]
	kept := linked || g.has(n, own)
	if n.IsDir() && g.has(n, own|touched) && g.clear(n) && !kept {
		// The members below it need a directory, of which the layer says nothing.
		g.replace(n, tree.NewDir(0o755))
		kept = true
	}
	if !kept {
		dir.Remove(name)
	}
	return kept
}
