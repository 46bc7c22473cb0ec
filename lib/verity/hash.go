package verity

import (
	"crypto/sha256"
	"crypto/sha512"
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
// does not depend on how much that is.
type Hash struct {
	alg    Algorithm
	size   uint64
	block  []byte // data that is not yet a whole block
	levels []level
}

// level is one level of the Merkle tree: the block of hashes being filled, and
// how many hashes the level has had in all.
type level struct {
	block []byte
	count uint64
}

// New returns a Hash for the empty file.
func (a Algorithm) New() *Hash {
	return &Hash{alg: a, block: make([]byte, 0, blockSize)}
}

// Sum returns the digest of data.
func (a Algorithm) Sum(data []byte) ID {
	h := a.New()
	h.Write(data)
	return h.ID()
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
	for i := range h.levels {
		h.levels[i] = level{block: h.levels[i].block[:0]}
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
	for len(data) >= blockSize {
		h.add(0, data[:blockSize])
		data = data[blockSize:]
	}
	h.block = append(h.block, data...)
	return n, nil
}

// add hashes a whole block and appends the hash to level l. A level that is
// full is a block itself, of the next level.
func (h *Hash) add(l int, block []byte) {
	if l == len(h.levels) {
		h.levels = append(h.levels, level{block: make([]byte, 0, blockSize)})
	}
	v := &h.levels[l]
	v.block = h.alg.appendSum(v.block, block)
	v.count++
	if len(v.block) == blockSize {
		h.add(l+1, v.block)
		h.levels[l].block = h.levels[l].block[:0]
	}
}

func (a Algorithm) appendSum(dst, data []byte) []byte {
	if a == SHA512 {
		sum := sha512.Sum512(data)
		return append(dst, sum[:]...)
	}
	sum := sha256.Sum256(data)
	return append(dst, sum[:]...)
}

// root finishes the Merkle tree: from below, each level's last block is padded
// and hashed into the next one, until a level has a single hash. The root of the
// empty file is all zeros (fsverity.rst, "Merkle tree").
func (h *Hash) root() []byte {
	if h.size == 0 {
		return make([]byte, h.alg.Size())
	}
	if len(h.block) > 0 {
		h.addPadded(0, h.block)
		h.block = h.block[:0]
	}
	for l := 0; ; l++ {
		v := h.levels[l]
		if v.count == 1 {
			return v.block
		}
		if len(v.block) > 0 {
			h.addPadded(l+1, v.block)
		}
	}
}

func (h *Hash) addPadded(l int, data []byte) {
	var block [blockSize]byte
	copy(block[:], data)
	h.add(l, block[:])
}

// ID returns the digest of what was written. Reset must come before more is.
func (h *Hash) ID() ID {
	// struct fsverity_descriptor of include/uapi/linux/fsverity.h
	var d [256]byte
	d[0] = 1 // version
	d[1] = byte(h.alg)
	d[2] = BlockBits
	binary.LittleEndian.PutUint64(d[8:], h.size)
	copy(d[16:80], h.root())
	return h.alg.MakeID(h.alg.appendSum(nil, d[:]))
}
