package erofs

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"cfs/lib/tree"
	"cfs/lib/variant"
)

// xattrSet is the xattrs of an inode as the tree has them, without those by which
// composefs works.
type xattrSet struct {
	overlayXattrs
	list     []tree.Xattr // sorted by name
	whiteout bool         // the inode is marked as an escaped one
}

// readXattrs reads the xattrs of an inode. Where a name comes twice, the later
// one counts.
func (r *reader) readXattrs(in *inode) (xattrSet, error) {
	var set xattrSet
	list := r.list[:0]
	for x, err := range r.img.storedXattrs(in) {
		if err != nil {
			return set, err
		}
		name, err := r.xattrName(&x)
		if err != nil {
			return set, err
		}
		switch {
		case name == metacopyName:
			set.metacopy = x.value
		case name == redirectName:
			set.redirect = x.value
		case strings.HasPrefix(name, overlayPrefix) && !strings.HasPrefix(name, escapedPrefix):
			// The image's own, as opaque of the root.
		default:
			list = append(list, tree.Xattr{Name: name, Value: r.xattrValue(&x)})
		}
	}
	r.list = list
	list = sortNames(list)
	set.whiteout = in.fileType() == unix.S_IFREG && in.size == 0 && slices.Contains(list, whiteoutMarks[0])
	if r.img.format != variant.V2 {
		list = r.img.removeMarks(list, in, set.whiteout)
	}
	for i, x := range list {
		if rest, ok := strings.CutPrefix(x.Name, escapedPrefix); ok {
			list[i].Name = r.intern(append(append(r.name[:0], overlayPrefix...), rest...))
		}
	}
	if len(list) > 0 {
		set.list = slices.Clone(list)
	}
	return set, nil
}

// sortNames sorts by name. Of two xattrs with the same name the later stays.
func sortNames(list []tree.Xattr) []tree.Xattr {
	slices.SortStableFunc(list, func(a, b tree.Xattr) int { return strings.Compare(a.Name, b.Name) })
	kept := list[:0]
	for i, x := range list {
		if i+1 == len(list) || list[i+1].Name != x.Name {
			kept = append(kept, x)
		}
	}
	return kept
}

// removeMarks removes what Write adds to a whiteout when it makes it a file, and
// to the directory of such a file. Xattrs of these names that are not as Write
// makes them are those of the tree.
func (img *Reader) removeMarks(list []tree.Xattr, in *inode, whiteout bool) []tree.Xattr {
	remove := func(marks []tree.Xattr) {
		list = slices.DeleteFunc(list, func(x tree.Xattr) bool { return slices.Contains(marks, x) })
	}
	switch {
	case whiteout:
		remove(whiteoutMarks)
	case in.isDir() && slices.Contains(list, whiteoutsMarks[0]):
		remove(whiteoutsMarks)
		if img.format == variant.V1 {
			remove(opaqueMarks)
		}
	}
	return list
}
