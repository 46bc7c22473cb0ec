package erofs

import (
	"bufio"
	"cfs/lib/variant"
	"encoding/binary"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// emitter writes an image in the order of its bytes. An error stays in out until
// it is flushed.
type emitter struct {
	*builder
	out *bufio.Writer
	pos uint64
	buf []byte // what comes next
}

func (b *builder) emit(w io.Writer) error {
	e := emitter{builder: b, out: bufio.NewWriterSize(w, 1<<16)}
	e.appendSuperblock()
	for i := range b.nodes {
		e.padTo(uint64(b.nodes[i].nid) * slotSize)
		e.appendInode(&b.nodes[i], uint32(i))
		e.appendTail(&b.nodes[i])
	}
	e.padTo(b.end)
	for _, r := range b.xattrs.shared {
		e.buf = b.xattrs.appendEntry(e.buf, r)
		e.write()
	}
	e.padTo(uint64(b.data) * blockSize)
	for i := range b.nodes {
		if b.nodes[i].blocks > 0 {
			e.appendBlocks(&b.nodes[i])
		}
	}
	if end := uint64(b.blocks) * blockSize; e.pos != end {
		return fmt.Errorf("made %d bytes of an image of %d", e.pos, end)
	}
	return e.out.Flush()
}

func (e *emitter) write() {
	e.out.Write(e.buf)
	e.pos += uint64(len(e.buf))
	e.buf = e.buf[:0]
}

// padTo writes what is in buf, then zeros up to offset pos.
func (e *emitter) padTo(pos uint64) {
	e.write()
	if pos > e.pos {
		e.buf = append(e.buf, make([]byte, pos-e.pos)...)
		e.write()
	}
}

func (e *emitter) appendSuperblock() {
	h := header{
		Magic:            headerMagic,
		Version:          headerVersion,
		ComposefsVersion: uint32(e.format),
	}
	s := superblock{
		Magic:         superMagic,
		FeatureCompat: compatWritten,
		BlockBits:     blockBits,
		RootNid:       uint16(e.nodes[0].nid),
		Inos:          uint64(len(e.nodes)),
		Blocks:        e.blocks,
	}
	if e.format != variant.V2 {
		s.BuildTime = e.minTime.Sec
		s.BuildTimeNsec = e.minTime.Nsec
		s.XattrBlkaddr = uint32(e.end / blockSize)
		if e.xattrs.hasACL {
			h.Flags = flagHasACL
		}
	}
	e.buf, _ = binary.Append(e.buf, le, h) // of a fixed size: it cannot fail
	e.padTo(superOffset)
	e.buf, _ = binary.Append(e.buf, le, s)
}

// appendInode appends the header and the xattrs of node n, whose number is i.
func (e *emitter) appendInode(n *node, i uint32) {
	h := inodeHeader{
		layout:   n.layout,
		extended: n.extended,
		mode:     n.mode,
		size:     n.size,
		u:        e.inodeU(n),
		ino:      i,
		uid:      n.inode.UID,
		gid:      n.inode.GID,
		sec:      n.inode.Mtime.Sec,
		nsec:     n.inode.Mtime.Nsec,
		links:    n.links,
	}
	if e.format == variant.V2 {
		h.ino = n.nid
		h.nsec = 0
	}
	if n.xattrsSize > 0 {
		h.icount = uint16((n.xattrsSize-xattrBlockSize)/xattrUnit + 1)
	}
	e.buf = h.appendTo(e.buf)
	if n.xattrsSize > 0 {
		e.appendXattrs(n)
	}
}

// inodeU returns i_u of a node.
func (e *emitter) inodeU(n *node) uint32 {
	switch n.mode & unix.S_IFMT {
	case unix.S_IFCHR, unix.S_IFBLK:
		return n.inode.Rdev
	}
	if n.layout == chunkBased {
		if e.format == variant.V2 {
			return maxChunkFormat
		}
		format := chunkFormat(n.size)
		if n.blocks > 0 {
			return n.block&^0xffff | format // the entries' block, as mkcomposefs has it
		}
		return format
	}
	if n.blocks > 0 {
		return n.block
	}
	return 0
}

func (e *emitter) appendXattrs(n *node) {
	refs := e.refs[n.xattrs:n.xattrsEnd]
	filter := ^uint32(0) // a set bit: no such name
	for _, r := range refs {
		filter &^= 1 << e.xattrs.name(r).bit
	}
	e.buf = le.AppendUint32(e.buf, filter)
	e.buf = append(e.buf, n.shared, 0, 0, 0, 0, 0, 0, 0)
	base := e.end // of the references: block xattr_blkaddr
	if e.format != variant.V2 {
		base %= blockSize
	}
	for _, r := range refs[:n.shared] {
		e.buf = le.AppendUint32(e.buf, uint32(base/xattrUnit)+e.xattrs.use(r).at)
	}
	for _, r := range refs[n.shared:] {
		e.buf = e.xattrs.appendEntry(e.buf, r)
	}
}
