package erofs

import (
	"bytes"
	"encoding/hex"
	"iter"
	"sort"
	"strings"

	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/tree"
	"cfs/lib/verity"
)

// Node is an inode of an image as a mount shows it: character devices 0:0 have no names there, as
// overlayfs takes them for whiteouts, and whiteouts that E1 hides are the empty files that stand for them.
// A tree, which is what Write was given, has them as devices.
//
// A node is read alone: nothing else of the image is looked at, so that reading one takes no more than
// its own size, however large the image. What an image says of several inodes together, such as link
// counts, is not checked; directories that contain themselves are not found out.
type Node struct {
	Mode     uint32 // as st_mode
	UID, GID uint32
	Links    uint32 // as stored
	Rdev     uint32 // of a device, as the kernel's new_encode_dev gives it
	Size     uint64 // in bytes, as stored; also of a directory
	Mtime    tree.Time

	img *Reader
	in  *inode
}

// Root returns the number of the root directory.
func (img *Reader) Root() uint64 { return img.root }

// Node reads the inode of a number: Root, or one that an entry of a directory leads to.
func (img *Reader) Node(number uint64) (*Node, error) {
	in, err := img.inode(number)
	if err != nil {
		return nil, err
	}
	if fileTypes[in.mode>>modeShift] == 0 {
		return nil, corrupt.Errorf("offset %d: unknown file type in mode %o", in.offset(), in.mode)
	}
	n := &Node{Mode: uint32(in.mode), UID: in.uid, GID: in.gid, Links: in.links, Size: in.size, Mtime: in.mtime, img: img, in: in}
	switch in.fileType() {
	case unix.S_IFCHR, unix.S_IFBLK:
		n.Rdev = in.u
	}
	return n, nil
}

// Number returns the number of the inode: all names of one inode have the same.
func (n *Node) Number() uint64 { return n.in.nid }

// IsDir reports whether the inode is a directory.
func (n *Node) IsDir() bool { return n.in.isDir() }

// IsRegular reports whether the inode is a regular file.
func (n *Node) IsRegular() bool { return n.in.fileType() == unix.S_IFREG }

// Target returns the target of a symbolic link. Of another inode it is an error.
func (n *Node) Target() (string, error) {
	if n.in.fileType() != unix.S_IFLNK {
		return "", corrupt.Errorf("offset %d: mode %o is not that of a symbolic link", n.in.offset(), n.Mode)
	}
	target, err := n.in.content(maxTarget(n.img.format))
	if err == nil {
		err = checkTarget(n.img.format, target)
	}
	return target, err
}

// Lookup returns what a name in a directory leads to, nil if there is nothing.
func (n *Node) Lookup(name string) (*Node, error) {
	number, ok, err := n.in.find(name)
	if err != nil || !ok {
		return nil, err
	}
	child, err := n.img.Node(number)
	if err != nil || child.in.isWhiteout() {
		return nil, err
	}
	return child, nil
}

// find looks for an entry of a directory, whose names are in byte order.
func (in *inode) find(name string) (number uint64, ok bool, err error) {
	if err := in.checkDir(); err != nil {
		return 0, false, err
	}
	// compare compares the name with that of an entry. After an error the search ends anywhere.
	compare := func(c direntChunk, i int) int {
		h, failed := c.header(i)
		if failed != nil {
			err = failed
			return 0
		}
		return strings.Compare(name, string(c.names[h.start:h.end]))
	}
	// The chunk is the last one whose first name is not after the one that is wanted.
	after := sort.Search(in.chunks(), func(i int) bool {
		c, failed := in.chunk(i)
		if failed != nil {
			err = failed
			return true
		}
		return compare(c, 0) < 0
	})
	if err != nil || after == 0 {
		return 0, false, err
	}
	c, err := in.chunk(after - 1)
	if err != nil {
		return 0, false, err
	}
	at, ok := sort.Find(c.len(), func(i int) int { return compare(c, i) })
	if err != nil || !ok {
		return 0, false, err
	}
	h, err := c.header(at)
	return h.nid, true, err
}

// NodeEntry is an entry of a directory, "." and ".." among them.
type NodeEntry struct {
	Name   string
	Number uint64 // of its inode
	Type   uint32 // type bits of the mode, as the entry has them

	// Next is where the entries after this one begin. It is less than 2^33, larger than those of
	// the entries before, and as long as the image is the same leads to the same entry.
	Next uint64
}

// chunkEntries is more than a block of a directory can hold.
const chunkEntries = 1 << 12

// Entries gives the entries of a directory in byte order of their names, until one of them is wrong. They
// begin at the first one, where from is 0, or at Next of another one.
func (n *Node) Entries(from uint64) iter.Seq2[NodeEntry, error] {
	return func(yield func(NodeEntry, error) bool) {
		if err := n.in.checkDir(); err != nil {
			yield(NodeEntry{}, err)
			return
		}
		first := from % chunkEntries
		for number := from / chunkEntries; number < uint64(n.in.chunks()); number++ {
			c, err := n.in.chunk(int(number))
			if err != nil {
				yield(NodeEntry{}, err)
				return
			}
			for i := first; i < uint64(c.len()); i++ {
				e, err := n.entry(c, int(i))
				if err != nil {
					yield(NodeEntry{}, n.in.failChunk(int(number), err))
					return
				}
				e.Next = number*chunkEntries + i + 1
				if e.Name != "" && !yield(e, nil) {
					return
				}
			}
			first = 0
		}
	}
}

// entry returns an entry, without a name if it is a whiteout.
func (n *Node) entry(c direntChunk, i int) (NodeEntry, error) {
	h, err := c.header(i)
	if err != nil {
		return NodeEntry{}, err
	}
	e := NodeEntry{Name: string(c.names[h.start:h.end]), Number: h.nid}
	for mode, t := range fileTypes {
		if t != 0 && t == h.fileType {
			e.Type = uint32(mode) << modeShift
		}
	}
	if e.Type == 0 {
		return e, corrupt.Errorf("entry %q of an unknown type, %d", e.Name, h.fileType)
	}
	if e.Type != unix.S_IFCHR {
		return e, nil
	}
	in, err := n.img.inode(h.nid)
	if err == nil && in.isWhiteout() {
		e.Name = ""
	}
	return e, err
}

// overlayXattrs are the values of the xattrs by which overlayfs finds the content of a regular file, nil for those that
// there are not.
type overlayXattrs struct{ metacopy, redirect []byte }

// Xattr returns the value of an xattr that a mount shows, and whether there is one.
func (n *Node) Xattr(name string) (value []byte, ok bool, err error) {
	_, err = n.eachXattr(func(stored, v []byte) {
		if shown, isShown := mountedName(stored); isShown && string(shown) == name {
			value, ok = v, true
		}
	})
	return value, ok, err
}

// Xattrs returns the xattrs that a mount shows, sorted by name, of those with one name the last one stored.
func (n *Node) Xattrs() (list []tree.Xattr, err error) {
	_, err = n.eachXattr(func(stored, value []byte) {
		if shown, ok := mountedName(stored); ok {
			list = append(list, tree.Xattr{Name: string(shown), Value: string(value)})
		}
	})
	return sortNames(list), err
}

// Redirect returns the values of the xattrs by which overlayfs finds the content of the file, nil for those that it does
// not have: metacopy holds a digest, or is empty; redirect is a path below the objects, with a slash before it.
func (n *Node) Redirect() (metacopy, redirect []byte, err error) {
	x, err := n.overlayXattrs()
	return x.metacopy, x.redirect, err
}

func (n *Node) overlayXattrs() (overlayXattrs, error) { return n.eachXattr(func(_, _ []byte) {}) }

// eachXattr calls do with the name that the image has for each xattr of an inode, and its value, except for those that it
// returns. A name is only valid until do returns.
func (n *Node) eachXattr(do func(name, value []byte)) (x overlayXattrs, err error) {
	var buffer [64]byte
	name := buffer[:0]
	for stored, err := range n.img.storedXattrs(n.in) {
		if err != nil {
			return x, err
		}
		name = append(append(name[:0], xattrPrefixes[stored.index]...), stored.suffix...)
		switch string(name) {
		case metacopyName:
			x.metacopy = stored.value
		case redirectName:
			x.redirect = stored.value
		default:
			do(name, stored.value)
		}
	}
	return x, nil
}

// mountedName returns the name that overlayfs shows for one of the image, and whether it shows it.
func mountedName(name []byte) (shown []byte, ok bool) {
	if rest, escaped := bytes.CutPrefix(name, []byte(escapedPrefix)); escaped {
		// Both prefixes end alike: what overlayfs cuts out is in the middle.
		return append(name[:len(overlayPrefix)], rest...), true
	}
	return name, !bytes.HasPrefix(name, []byte(overlayPrefix))
}

// Content says where the content of a regular file is: one of its parts, or in none of them if the file is
// empty or sparse, which reads as Size zeros.
type Content struct {
	Size   uint64    // in bytes
	Inline string    // the content itself
	Object verity.ID // what it is
	Path   string    // where it is below the objects, if that is not the path of Object
}

// Content returns where the content of a regular file is. Of another inode it is an error.
func (n *Node) Content() (Content, error) {
	if !n.IsRegular() {
		return Content{}, corrupt.Errorf("offset %d: mode %o is not that of a regular file", n.in.offset(), n.Mode)
	}
	x, err := n.overlayXattrs()
	if err != nil {
		return Content{}, err
	}
	return n.img.fileContent(n.in, x)
}

// fileContent finds out what kind of regular file an inode is: with a digest, with an object path alone, sparse, or with
// its content in the image.
func (img *Reader) fileContent(in *inode, x overlayXattrs) (c Content, err error) {
	c.Size = in.size
	path := bytes.TrimPrefix(x.redirect, []byte("/"))
	if len(x.metacopy) > 0 {
		var ok bool
		if c.Object, ok = parseMetacopy(x.metacopy); !ok {
			return c, corrupt.Errorf("offset %d: a metacopy of %d bytes without a digest", in.offset(), len(x.metacopy))
		}
		if len(path) > 0 && !isPathOf(path, &c.Object) {
			c.Path = string(path)
		}
	} else if _, ok := parseRedirect(path); ok || in.layout == chunkBased {
		c.Path = string(path)
	} else {
		c.Inline, err = in.content(maxInline(img.format))
		return c, err
	}
	if err := checkFile(img.format, &tree.Inode{Size: c.Size, Object: c.Object, Payload: c.Path}); err != nil {
		return c, corrupt.Errorf("offset %d: %w", in.offset(), err)
	}
	return c, nil
}

// isPathOf reports whether path is the object path of id.
func isPathOf(path []byte, id *verity.ID) bool {
	var buffer [len("XX/") + 2*64]byte // of the longest digest
	digest := id.Bytes()
	text := append(hex.AppendEncode(buffer[:0], digest[:1]), '/')
	return bytes.Equal(path, hex.AppendEncode(text, digest[1:]))
}

// MayHaveACLs reports whether an inode may have a POSIX ACL. Images of V2 do not say.
func (img *Reader) MayHaveACLs() bool { return img.acl }
