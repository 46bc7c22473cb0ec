package erofs

import (
	"strings"

	"cfs/lib/tree"
)

// Stored is what an image says of an inode and a tree does not.
type Stored struct {
	Size   uint64       // i_size in bytes, also of a directory
	Links  uint32       // i_nlink
	Xattrs []tree.Xattr // in the order of mkcomposefs' reader: those in the inode, then shared ones
}

// Stored reads the tree of an image as Tree does, and what composefs-info shows of
// each inode. Its Xattrs are not always those of the tree: that tool keeps the opaque
// xattrs by which V1 marks the directory of a whiteout.
func (img *Reader) Stored() (*tree.Inode, map[*tree.Inode]Stored, error) {
	stored := make(map[*tree.Inode]Stored)
	root, err := img.readTree(func(r *reader, in *inode, n *tree.Inode) error {
		list, err := r.storedOrder(in, n)
		stored[n] = Stored{in.size, in.links, list}
		return err
	})
	return root, stored, err
}

// storedOrder returns the xattrs of an inode as composefs-info has them.
func (r *reader) storedOrder(in *inode, n *tree.Inode) ([]tree.Xattr, error) {
	var own, shared []tree.Xattr
	for x, err := range r.img.storedXattrs(in) {
		if err != nil {
			return nil, err
		}
		name, err := r.xattrName(&x)
		if err != nil {
			return nil, err
		}
		name, ok := shownName(name, n)
		switch shown := (tree.Xattr{Name: name, Value: r.xattrValue(&x)}); {
		case !ok:
		case x.shared != 0:
			shared = append(shared, shown)
		default:
			own = append(own, shown)
		}
	}
	return append(own, shared...), nil
}

// shownName returns the name under which composefs-info shows an xattr of n, and
// whether it does. It drops those by which E1 marks whiteouts wherever they are; here
// those stay that are the tree's own, so that nothing of it is lost.
func shownName(name string, n *tree.Inode) (string, bool) {
	shown, ok := name, !strings.HasPrefix(name, overlayPrefix)
	if rest, escaped := strings.CutPrefix(name, escapedPrefix); escaped {
		shown, ok = overlayPrefix+rest, true
	}
	switch name {
	case whiteoutMarks[0].Name, whiteoutMarks[1].Name, whiteoutsMarks[0].Name, whiteoutsMarks[1].Name:
		_, ok = n.Xattr(shown)
	}
	return shown, ok
}
