package erofs

import (
	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/tree"
)

// inode is an inode that was read, with the parts of the image that belong to it.
type inode struct {
	inodeHeader
	nid    uint64
	mtime  tree.Time
	xattrs []byte // the xattr block
	blocks []byte // the data blocks of a directory, file or symbolic link
	tail   []byte // what follows the xattrs, in the layout flatInline
}

func (in *inode) offset() uint64   { return in.nid * slotSize }
func (in *inode) fileType() uint32 { return uint32(in.mode) & unix.S_IFMT }
func (in *inode) isDir() bool      { return in.fileType() == unix.S_IFDIR }

// isWhiteout reports whether the inode is a whiteout that is stored as such.
func (in *inode) isWhiteout() bool { return in.fileType() == unix.S_IFCHR && in.u == 0 }

// length returns how many bytes of the image belong to the inode.
func (in *inode) length() int {
	n := compactSize
	if in.extended {
		n = extendedSize
	}
	return n + len(in.xattrs) + len(in.blocks) + len(in.tail)
}

// inode reads the inode of a nid and checks that all its parts are there.
func (img *Reader) inode(nid uint64) (*inode, error) {
	if nid >= uint64(len(img.data))/slotSize {
		return nil, corrupt.Errorf("nid %d is beyond the end", nid)
	}
	offset := nid * slotSize
	size := uint64(compactSize)
	if img.data[offset]&formatExtended != 0 {
		size = extendedSize
	}
	b, err := img.slice(offset, size)
	if err != nil {
		return nil, err
	}
	in := &inode{nid: nid, inodeHeader: parseInodeHeader(b), mtime: img.time}
	if format := le.Uint16(b); format>>layoutShift > layoutMask || !knownLayout[in.layout] {
		return nil, corrupt.Errorf("offset %d: unknown i_format %#x", offset, format)
	}
	if in.extended {
		in.mtime = tree.Time{Sec: in.sec, Nsec: in.nsec}
	}
	if in.mtime.Nsec >= 1e9 {
		return nil, corrupt.Errorf("offset %d: a time with %d nanoseconds", offset, in.mtime.Nsec)
	}
	if in.xattrs, err = img.slice(offset+size, xattrsSize(in.icount)); err != nil {
		return nil, err
	}
	return in, img.findData(in, offset+size+uint64(len(in.xattrs)))
}

var knownLayout = [layoutMask + 1]bool{flatPlain: true, flatInline: true, chunkBased: true}

// findData finds the tail of an inode, whose xattrs end at that offset, and its
// blocks.
func (img *Reader) findData(in *inode, end uint64) (err error) {
	if in.layout == chunkBased {
		return nil // the addresses of its chunks say nothing
	}
	if in.layout == flatInline {
		if in.tail, err = img.slice(end, in.size%blockSize); err != nil {
			return err
		}
	}
	switch in.fileType() {
	case unix.S_IFDIR, unix.S_IFREG, unix.S_IFLNK:
	default:
		return nil
	}
	if in.size > uint64(len(img.data)) {
		return corrupt.Errorf("offset %d: a size of %d bytes is more than the image has", in.offset(), in.size)
	}
	size := in.size - uint64(len(in.tail))
	if size == 0 {
		return nil
	}
	in.blocks, err = img.slice(uint64(in.u)*blockSize, align(size, blockSize))
	return err
}

// content returns the content of a file or symbolic link that the image holds,
// which is no larger than limit.
func (in *inode) content(limit uint64) (string, error) {
	if in.layout == chunkBased {
		return "", corrupt.Errorf("offset %d: the image does not hold the content", in.offset())
	}
	if in.size > limit {
		return "", corrupt.Errorf("offset %d: %d bytes of content, more than %d", in.offset(), in.size, limit)
	}
	return string(in.blocks[:in.size-uint64(len(in.tail))]) + string(in.tail), nil
}
