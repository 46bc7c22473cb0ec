package tarball

import (
	"encoding/binary"

	"cfs/lib/corrupt"
	"cfs/lib/tolerance"
)

// BlockSize is the unit of a tar in bytes: headers are one block, bodies are padded.
const BlockSize = 512

// block is a header block (POSIX.1-2017, pax, "ustar Interchange Format"; the GNU
// format differs in its magic and in what follows the device numbers).
type block [BlockSize]byte

// format tells which fields a header has.
type format int

const (
	v7 format = iota
	ustar
	gnu
)

// format goes by the magic. What stands in the version of a ustar header varies, and
// means nothing.
func (b *block) format() format {
	switch {
	case string(b[257:263]) == "ustar\x00":
		return ustar
	case string(b[257:265]) == "ustar  \x00":
		return gnu
	}
	return v7
}

// isOddVersion reports whether the reference takes a ustar header for one of V7.
func (b *block) isOddVersion() bool { return string(b[263:265]) != "00" && b.format() == ustar }

func (b *block) name() []byte     { return cString(b[0:100]) }
func (b *block) mode() []byte     { return b[100:108] }
func (b *block) uid() []byte      { return b[108:116] }
func (b *block) gid() []byte      { return b[116:124] }
func (b *block) size() []byte     { return b[124:136] }
func (b *block) mtime() []byte    { return b[136:148] }
func (b *block) checksum() []byte { return b[148:156] }
func (b *block) typeFlag() byte   { return b[156] }
func (b *block) linkName() []byte { return cString(b[157:257]) }
func (b *block) devMajor() []byte { return b[329:337] }
func (b *block) devMinor() []byte { return b[337:345] }

func (b *block) isZero() bool { return *b == block{} }

// IsHeader reports whether a tar can begin with a block.
func IsHeader(b [BlockSize]byte) bool { return (*block)(&b).isHeader() }

// isHeader reports whether a block that may be a header is one, or ends the archive.
func (b *block) isHeader() bool {
	_, err := b.verify()
	return err == nil || b.isZero()
}

// verify compares the checksum with the sum of all bytes, its own field taken as spaces:
// that of unsigned bytes, or, as the tar of some systems has it, that of signed ones.
func (b *block) verify() (tolerance.Set, error) {
	var n numbers
	want := n.octal("checksum", b.checksum())
	if n.err != nil {
		return 0, n.err
	}
	sum := b.sum() + 8*' '
	for _, c := range b.checksum() {
		sum -= uint64(c)
	}
	if sum == want {
		return n.read, nil
	}
	if b.signedSum() == int64(want) {
		return n.read | tolerance.SetOf(tolerance.SignedSum), nil
	}
	return 0, corrupt.Errorf("checksum mismatch: header says %d, its bytes add up to %d", want, sum)
}

// sum adds up all bytes, eight at a time in four lanes of 16 bits, which they do not
// overflow: 512 / 4 bytes of at most 255 in each.
func (b *block) sum() uint64 {
	const lanes = 0x00ff00ff00ff00ff
	var sums uint64
	for i := 0; i < BlockSize; i += 8 {
		word := binary.LittleEndian.Uint64(b[i:])
		sums += word&lanes + word>>8&lanes
	}
	return sums&0xffff + sums>>16&0xffff + sums>>32&0xffff + sums>>48
}

// signedSum adds up the bytes as signed ones, with spaces in place of the checksum.
func (b *block) signedSum() int64 {
	var sum int64 = 8 * ' '
	for i, c := range b {
		if i < 148 || i >= 156 {
			sum += int64(int8(c))
		}
	}
	return sum
}
