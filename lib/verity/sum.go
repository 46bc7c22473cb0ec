package verity

import "slices"

// Sum returns the digest of data.
func (a Algorithm) Sum(data []byte) ID { return a.SumAll([][]byte{data})[0] }

// SumAll returns the digest of each of contents, in their order. It hashes blocks of all of
// them together: small files, of one block or few, are hashed as fast as large ones.
func (a Algorithm) SumAll(contents [][]byte) []ID {
	level := slices.Clone(contents) // of the Merkle tree of each: content, hashes, at last the root
	var trees []int                 // that have no root yet
	for i, content := range contents {
		if len(content) > 0 { // else the root is all zeros
			trees = append(trees, i)
		}
	}
	b := batch{alg: a}
	for len(trees) > 0 {
		a.ascend(&b, level, trees)
		trees = slices.DeleteFunc(trees, func(i int) bool { return len(level[i]) == a.Size() })
	}
	return a.ids(contents, level)
}

// ascend replaces a level of some trees by the next one.
func (a Algorithm) ascend(b *batch, level [][]byte, trees []int) {
	room := 0
	for _, i := range trees {
		room += blocks(len(level[i])) * a.Size()
	}
	hashes := make([]byte, room)
	for _, i := range trees {
		data := level[i]
		n := blocks(len(data)) * a.Size()
		level[i], hashes = hashes[:0:n], hashes[n:]
		for block := range slices.Chunk(data, blockSize) {
			b.add(block, &level[i])
		}
	}
	b.flush()
}

func blocks(size int) int { return (size + blockSize - 1) / blockSize }

// ids returns the digests of contents whose trees have these roots.
func (a Algorithm) ids(contents, roots [][]byte) []ID {
	descriptors := make([][256]byte, len(contents))
	messages := make([][]byte, len(contents))
	for i := range messages {
		descriptors[i] = a.descriptor(uint64(len(contents[i])), roots[i])
		messages[i] = descriptors[i][:]
	}
	sums := a.sums(make([]byte, 0, len(contents)*a.Size()), messages)
	ids := make([]ID, len(contents))
	for i := range ids {
		ids[i] = a.MakeID(sums[i*a.Size():][:a.Size()])
	}
	return ids
}
