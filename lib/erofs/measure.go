package erofs

import (
	"fmt"
	"math"
	"math/bits"

	"golang.org/x/sys/unix"

	"cfs/lib/tree"
	"cfs/lib/variant"
)

// maxTail is the largest rest of a directory, or of an E1 file's content, that
// lies after the inode and not in a block of its own.
const maxTail = blockSize / 2

// measure finds the form of each inode.
func (b *builder) measure() error {
	b.minTime = b.nodes[0].inode.Mtime
	for i := range b.nodes {
		if t := b.nodes[i].inode.Mtime; b.earlier(t, b.minTime) {
			b.minTime = t
		}
	}
	for i := range b.nodes {
		n := &b.nodes[i]
		if err := b.splitXattrs(n); err != nil {
			return fmt.Errorf("%q: %w", b.path(uint32(i)), err)
		}
		b.measureData(n)
		n.extended = b.format == variant.V2 || !b.fitsCompact(n)
	}
	return nil
}

func earlier(a, b tree.Time) bool {
	return a.Sec < b.Sec || a.Sec == b.Sec && a.Nsec < b.Nsec
}

func earlierUnsigned(a, b tree.Time) bool {
	return uint64(a.Sec) < uint64(b.Sec) || a.Sec == b.Sec && a.Nsec < b.Nsec
}

// fitsCompact reports whether the compact form can hold a node: it has no time,
// that of the superblock stands for it.
func (b *builder) fitsCompact(n *node) bool {
	return n.inode.Mtime == b.minTime && n.links <= math.MaxUint16 &&
		n.inode.UID <= math.MaxUint16 && n.inode.GID <= math.MaxUint16 &&
		n.size <= math.MaxUint32
}

// measureData sets size, blocks, tail and layout; place can still move a tail
// to a block.
func (b *builder) measureData(n *node) {
	switch in := n.inode; in.Type() {
	case unix.S_IFDIR:
		b.measureDir(n)
	case unix.S_IFLNK:
		n.size = uint64(len(in.Target))
		n.tail = uint16(n.size)
		n.layout = flatInline
	case unix.S_IFREG:
		n.size = in.Size
		if isExternal(in) {
			n.layout = chunkBased
			n.tail = uint16(chunkEntrySize * b.countChunks(in))
		} else {
			b.measureInline(n)
		}
	}
}

// measureInline splits the content of a regular file into blocks and a tail.
func (b *builder) measureInline(n *node) {
	n.blocks = uint32(n.size / blockSize)
	n.tail = uint16(n.size % blockSize)
	if n.tail > maxTail {
		n.blocks++
		n.tail = 0
	}
	if n.tail > 0 {
		n.layout = flatInline
	}
}

// countChunks returns how many chunks an external file is said to have.
func (b *builder) countChunks(in *tree.Inode) uint64 {
	if b.format != variant.V2 {
		shift := chunkFormat(in.Size) + blockBits
		return align(in.Size, 1<<shift) >> shift
	}
	if in.Object.IsZero() {
		return 0
	}
	return 1
}

// chunkFormat returns log2 of the number of blocks in a chunk of an E1 file: one
// chunk is to hold the file, if that can be.
func chunkFormat(size uint64) uint32 {
	if size <= blockSize {
		return 0
	}
	return min(uint32(bits.Len64(size-1))-blockBits, maxChunkFormat)
}

// measureDir splits the names of a directory into blocks and a tail.
func (b *builder) measureDir(n *node) {
	var size int
	for list := b.entries[n.entries:n.entriesEnd]; len(list) > 0; n.blocks++ {
		var count int
		count, size = nextChunk(list)
		list = list[count:]
	}
	n.layout = flatPlain
	if size <= maxTail {
		n.layout = flatInline
		n.blocks--
		n.tail = uint16(size)
	}
	n.size = uint64(n.blocks)*blockSize + uint64(n.tail)
}

// nextChunk returns how many of the entries go into a block together, and how
// many bytes they take there.
func nextChunk(list []entry) (count, size int) {
	for _, e := range list {
		cost := direntSize + len(e.name)
		if size+cost > blockSize {
			break
		}
		size += cost
		count++
	}
	return count, size
}
