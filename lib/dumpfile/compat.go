package dumpfile

import (
	"io"
	"strconv"

	"cfs/lib/tree"
)

// WriteCompat is Write in the form of composefs-info: SIZE, NLINK and the xattrs, in
// their order, are those that stored returns for an inode, the line of a hard link
// repeats all fields of the first name but PAYLOAD. Read takes it.
func WriteCompat(w io.Writer, root *tree.Inode, stored func(*tree.Inode) (size uint64, links uint32, xattrs []tree.Xattr)) error {
	return write(w, root, func(d *writer, n *tree.Inode) []byte {
		size, links, xattrs := stored(n)
		line := strconv.AppendUint(append(d.begin(), ' '), size, 10)
		line = append(line, ' ')
		target, again := d.first[n]
		if again {
			line = append(line, '@')
		} else if _, ok := d.links[n]; ok {
			d.first[n] = string(d.path)
		}
		line = appendNumbers(line, n, links)
		if again {
			line = appendContent(append(append(line, ' '), target...), n)
		} else {
			line = appendData(line, n)
		}
		d.line = appendXattrs(line, xattrs)
		return d.line
	})
}
