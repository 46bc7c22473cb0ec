package erofs

import (
	"fmt"
	"io"
	"math"

	"cfs/lib/tree"
	"cfs/lib/variant"
)

// Write writes the image of a tree, from its first byte to its last, and leaves
// the tree as it is. Before the first byte it checks that an image of this
// version can hold the tree; the error names the path of what it cannot hold.
// Other errors are those of w.
//
// A regular file with an Object or a Payload is external, whatever its Size. If
// it has both, its redirect leads to the Payload.
//
// The least time of the tree goes into the superblock of an E1 image. Times are
// compared as what they are, signed, as mkcomposefs does.
func Write(w io.Writer, root *tree.Inode, v variant.Format) error {
	return write(w, root, v, earlier)
}

// WriteUnsignedTimes is Write, but that a time before 1970 counts as later than
// any other. So does composefs-rs with the trees of layers, the only ones in
// which it takes such times. Without such times, and in V2, the image is the same.
func WriteUnsignedTimes(w io.Writer, root *tree.Inode, v variant.Format) error {
	return write(w, root, v, earlierUnsigned)
}

func write(w io.Writer, root *tree.Inode, v variant.Format, earlier func(a, b tree.Time) bool) error {
	if v > variant.V2 {
		return fmt.Errorf("no such image version: %d", v)
	}
	b := builder{format: v, earlier: earlier}
	if err := b.collect(root); err != nil {
		return err
	}
	if v != variant.V2 {
		b.sortBreadthFirst()
	}
	if err := b.overlay(); err != nil {
		return err
	}
	b.xattrs.share()
	if err := b.measure(); err != nil {
		return err
	}
	if err := b.place(); err != nil {
		return err
	}
	return b.emit(w)
}

// builder holds an image while it is made. Inodes are numbered by their place in
// nodes, names by their place in entries.
type builder struct {
	format variant.Format

	nodes   []node  // in the order of the image
	entries []entry // those of each directory together, in byte order
	xattrs  *xattrTable
	refs    []xattrRef // of all inodes, see node.xattrs
	scratch []xattrRef

	earlier func(a, b tree.Time) bool
	minTime tree.Time // E1: the least of all inodes, which compact ones have
	end     uint64    // of the inodes, a multiple of slotSize
	data    uint32    // the first data block
	blocks  uint32    // of the image
}

// node is an inode of the image.
type node struct {
	inode *tree.Inode
	name  uint32 // of the entries that lead here the first one, depth first
	dir   uint32 // the directory of that entry

	entries, entriesEnd uint32 // of a directory
	xattrs, xattrsEnd   uint32 // in refs

	links     uint32
	mode      uint16 // as the image has it: an escaped whiteout is a file
	shared    uint8  // how many of the xattrs are references, the first ones
	whiteouts bool   // a directory with a whiteout in it

	placement
}

// placement is the form of an inode and where it lies.
type placement struct {
	size       uint64 // i_size
	nid        uint32
	xattrsSize uint32
	blocks     uint32 // data blocks
	block      uint32 // the first of them
	tail       uint16 // bytes after the xattrs
	layout     uint8
	extended   bool
}

// entry is a name in a directory, "." and ".." included.
type entry struct {
	name string
	node uint32
}

// none is no node and no entry.
const none = math.MaxUint32

// path returns the path of a node by its first name, for errors.
func (b *builder) path(n uint32) string {
	if n == 0 {
		return "/"
	}
	node := &b.nodes[n]
	return joinPath(b.path(node.dir), b.entries[node.name].name)
}

func joinPath(dir, name string) string {
	if dir == "/" {
		return dir + name
	}
	return dir + "/" + name
}
