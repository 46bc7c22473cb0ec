package compare

import "cfs/lib/tree"

// links knows the inodes of a tree that have several names, and the first one that
// was met of each.
type links struct {
	count map[*tree.Inode]uint32
	names map[*tree.Inode]string
}

func newLinks(root *tree.Inode) links {
	return links{tree.Links(root), make(map[*tree.Inode]string)}
}

// first returns the name under which an inode was met before.
func (l links) first(n *tree.Inode, c *comparer) Value {
	if _, ok := l.count[n]; !ok {
		return Value{}
	}
	name, ok := l.names[n]
	if !ok {
		l.names[n] = c.name()
	}
	return Value{name, ok}
}
