package inspect

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"

	"cfs/lib/dumpfile"
	"cfs/lib/erofs"
	"cfs/lib/tree"
	"cfs/lib/verity"
)

// Dump writes the dumpfile of an image; compat asks for the form of composefs-info. Of the
// root's entries it writes those with these names alone, and what is below them, or all if
// there are no names.
func Dump(w io.Writer, image *erofs.Reader, names []string, compat bool) error {
	if !compat {
		root, err := image.Tree()
		if err != nil {
			return err
		}
		keep(root, names)
		return dumpfile.Write(w, root)
	}
	root, stored, err := image.Stored()
	if err != nil {
		return err
	}
	keep(root, names)
	return dumpfile.WriteCompat(w, root, func(n *tree.Inode) (uint64, uint32, []tree.Xattr) {
		s := stored[n]
		return s.Size, s.Links, s.Xattrs
	})
}

// keep removes all entries of a root but those with these names, if there are any.
func keep(root *tree.Inode, names []string) {
	if len(names) == 0 {
		return
	}
	for _, e := range root.Entries() {
		if !slices.Contains(names, e.Name) {
			root.Remove(e.Name)
		}
	}
}

// Objects writes the digests of the objects that an image refers to, a line each, in the
// order and as often as erofs.Reader.Objects yields them. It writes those before an error too.
func Objects(w io.Writer, image *erofs.Reader) error {
	out := bufio.NewWriter(w)
	err := image.Objects(func(id verity.ID) error {
		_, err := fmt.Fprintln(out, id)
		return err
	})
	return errors.Join(err, out.Flush())
}
