package erofs

import (
	"cfs/lib/variant"
	"fmt"
)

// align rounds n up to a multiple of unit, a power of two.
func align(n, unit uint64) uint64 { return (n + unit - 1) &^ (unit - 1) }

func (n *node) headerSize() uint64 {
	if n.extended {
		return extendedSize
	}
	return compactSize
}

// place gives each inode its offset and its data blocks.
func (b *builder) place() error {
	pos := uint64(inodesStart)
	for i := range b.nodes {
		n := &b.nodes[i]
		pos = align(pos, slotSize)
		switch {
		case b.format == variant.V2:
			pos = n.placeE2(pos)
		case n.inode.IsSymlink():
			pos = n.placeSymlink(pos)
		case n.tail > 0:
			pos = n.placeTail(pos)
		}
		n.nid = uint32(pos / slotSize)
		pos += n.headerSize() + uint64(n.xattrsSize) + uint64(n.tail)
	}
	b.end = align(pos, slotSize)
	block := align(b.end+b.xattrs.size, blockSize) / blockSize
	b.data = uint32(block)
	for i := range b.nodes {
		n := &b.nodes[i]
		n.block = uint32(block)
		block += uint64(n.blocks)
	}
	if block*blockSize > MaxSize {
		return fmt.Errorf("an image of %d bytes, more than %d", block*blockSize, uint64(MaxSize))
	}
	b.blocks = uint32(block)
	return nil
}

// placeSymlink returns where, from pos on, a symbolic link of E1 lies: not across
// two blocks. A target that does not fit gets a data block, and the inode goes
// where it would have gone with it.
func (n *node) placeSymlink(pos uint64) uint64 {
	total := n.headerSize() + uint64(n.xattrsSize) + uint64(n.tail)
	crosses := pos/blockSize != (pos+total-1)/blockSize
	if total >= blockSize {
		n.moveTail()
	}
	if crosses {
		return align(pos, blockSize)
	}
	return pos
}

// placeTail returns where, from pos on, an inode of E1 lies whose tail is not to
// lie across two blocks: as far on as that takes. Where that does not help,
// the tail gets a data block.
func (n *node) placeTail(pos uint64) uint64 {
	tail := pos + n.headerSize() + uint64(n.xattrsSize)
	room := blockSize - tail%blockSize
	if room >= uint64(n.tail) {
		return pos
	}
	pad := align(room, slotSize)
	if blockSize-(tail+pad)%blockSize >= uint64(n.tail) {
		return pos + pad
	}
	n.moveTail()
	return align(pos, blockSize)
}

func (n *node) moveTail() {
	n.blocks++
	n.tail = 0
	if n.layout == flatInline {
		n.layout = flatPlain
	}
}

// placeE2 returns where, from pos on, an inode of E2 lies. Its tail shall be in
// one block: the reference asks whether the byte before it and the byte after it
// are, so that it moves some tails without need. That is part of the format.
func (n *node) placeE2(pos uint64) uint64 {
	if n.layout != flatInline {
		return pos
	}
	before := pos + n.headerSize() + uint64(n.xattrsSize) - 1
	after := before + 1 + n.size%blockSize
	if before/blockSize == after/blockSize {
		return pos
	}
	return align(pos+blockSize-before%blockSize, slotSize)
}
