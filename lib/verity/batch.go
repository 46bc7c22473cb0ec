package verity

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"

	"cfs/lib/lanes"
)

// levelSize is how many bytes of hashes a level of a Merkle tree collects: blocks enough to
// be hashed together.
const levelSize = lanes.Most * blockSize

// batch collects blocks, which are hashed together.
type batch struct {
	alg    Algorithm
	n      int
	blocks [lanes.Most][]byte
	to     [lanes.Most]*[]byte // what the hash of each is appended to
	pads   []byte              // room for blocks that are padded
	sums   []byte
}

var zeros [blockSize]byte

// The hashes of a block of zeros, of which sparse files and padded sections consist.
var (
	zero256 = sha256.Sum256(zeros[:])
	zero512 = sha512.Sum512(zeros[:])
)

// add collects a block, which is padded with zeros if it is short. Its hash has been
// appended to what to points to after the next flush.
func (b *batch) add(block []byte, to *[]byte) {
	if bytes.Equal(block, zeros[:len(block)]) {
		b.flush()
		*to = append(*to, b.alg.zero()...)
		return
	}
	if b.n == lanes.Most {
		b.flush()
	}
	if len(block) < blockSize {
		block = b.pad(block)
	}
	b.blocks[b.n], b.to[b.n] = block, to
	b.n++
}

func (b *batch) pad(block []byte) []byte {
	if b.pads == nil {
		b.pads = make([]byte, lanes.Most*blockSize)
	}
	padded := b.pads[b.n*blockSize:][:blockSize]
	clear(padded[copy(padded, block):])
	return padded
}

// flush hashes what was collected.
func (b *batch) flush() {
	if b.n == 0 {
		return
	}
	b.sums = b.alg.sums(b.sums[:0], b.blocks[:b.n])
	size := b.alg.Size()
	for i, to := range b.to[:b.n] {
		*to = append(*to, b.sums[i*size:][:size]...)
	}
	clear(b.blocks[:b.n]) // memory of the caller
	b.n = 0
}

func (a Algorithm) zero() []byte {
	if a == SHA512 {
		return zero512[:]
	}
	return zero256[:]
}

// sums appends the hash of each message to dst. All have the same length.
func (a Algorithm) sums(dst []byte, messages [][]byte) []byte {
	if a == SHA512 {
		return lanes.Sum512(dst, messages)
	}
	for _, m := range messages {
		sum := sha256.Sum256(m)
		dst = append(dst, sum[:]...)
	}
	return dst
}
