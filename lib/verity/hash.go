package verity

import (
	"encoding/binary"
	"io"
)

// Small is the size in bytes, 256 KiB, up to which content is read into memory and hashed
// there before any of it is written: then its name in a store is known first, so that
// existing content is not written at all, and a new file is made in the folder where it
// stays. Nearly all files of an image are that small, and as many buffers as there are
// CPUs are not much memory. Larger content is hashed while it is written.
const Small = 256 << 10

// Hash computes the fs-verity digest of what is written to it, in memory that
// does not depend on how much that is. Writes of many blocks are the fastest.
type Hash struct {
	batch  batch
	size   uint64
	block  []byte // data that is not yet a whole block
	levels []*level
}

// level is one level of the Merkle tree: the hashes that are not hashed into the next
// level yet, and how many hashes the level has had in all.
type level struct {
	hashes []byte
	count  uint64
}

// New returns a Hash for the empty file.
func (a Algorithm) New() *Hash {
	return &Hash{batch: batch{alg: a}, block: make([]byte, 0, blockSize)}
}

// SumReader returns the digest and the size of what r gives until its end.
func (a Algorithm) SumReader(r io.Reader) (ID, int64, error) {
	h := a.New()
	n, err := io.Copy(h, r)
	return h.ID(), n, err
}

// Reset makes h as New returned it, keeping its memory.
func (h *Hash) Reset() {
	h.size, h.block = 0, h.block[:0]
	for _, v := range h.levels {
		*v = level{hashes: v.hashes[:0]}
	}
}

// Write adds data. It never fails.
func (h *Hash) Write(data []byte) (int, error) {
	n := len(data)
	h.size += uint64(n)
	if len(h.block) > 0 {
		k := min(blockSize-len(h.block), len(data))
		h.block = append(h.block, data[:k]...)
		data = data[k:]
		if len(h.block) == blockSize {
			h.add(0, h.block)
			h.block = h.block[:0]
		}
	}
	whole := len(data) &^ (blockSize - 1)
	h.add(0, data[:whole])
	h.block = append(h.block, data[whole:]...)
	return n, nil
}

// add hashes blocks, of which the last may be short, and appends the hashes to level l.
// Those of a level are blocks of the next one, and are hashed when there are enough of them.
func (h *Hash) add(l int, blocks []byte) {
	if l == len(h.levels) {
		h.levels = append(h.levels, new(level))
	}
	v := h.levels[l]
	for len(blocks) > 0 {
		n := min(blockSize, len(blocks))
		h.batch.add(blocks[:n], &v.hashes)
		blocks = blocks[n:]
		v.count++
		if v.count*uint64(h.batch.alg.Size())%levelSize == 0 {
			h.batch.flush()
			h.add(l+1, v.hashes)
			v.hashes = v.hashes[:0]
		}
	}
	h.batch.flush()
}

// root finishes the Merkle tree: from below, what is left of each level is hashed into the
// next one, until a level has a single hash. The root of the empty file is all zeros
// (fsverity.rst, "Merkle tree").
func (h *Hash) root() []byte {
	if h.size == 0 {
		return nil
	}
	h.add(0, h.block)
	h.block = h.block[:0]
	for l := 0; ; l++ {
		v := h.levels[l]
		if v.count == 1 {
			return v.hashes
		}
		h.add(l+1, v.hashes)
	}
}

// ID returns the digest of what was written. Reset must come before more is.
func (h *Hash) ID() ID {
	a := h.batch.alg
	d := a.descriptor(h.size, h.root())
	return a.MakeID(a.sums(nil, [][]byte{d[:]}))
}

// descriptor is struct fsverity_descriptor of include/uapi/linux/fsverity.h.
func (a Algorithm) descriptor(size uint64, root []byte) (d [256]byte) {
	d[0] = 1 // version
	d[1] = byte(a)
	d[2] = BlockBits
	binary.LittleEndian.PutUint64(d[8:], size)
	copy(d[16:80], root)
	return d
}
