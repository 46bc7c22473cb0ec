package tarball

import (
	"bytes"
	"encoding/binary"

	"cfs/lib/corrupt"
)

// blockSize is the unit of a tar: headers are one block, bodies are padded.
const blockSize = 512

// block is a header block (POSIX.1-2017, pax, "ustar Interchange Format"; the GNU
// format differs in its magic and in what follows the device numbers).
type block [blockSize]byte

// format tells which fields and type flags a header has.
type format int

const (
	v7 format = iota
	ustar
	gnu
)

func (b *block) format() format {
	switch {
	case string(b[257:263]) == "ustar\x00" && string(b[263:265]) == "00":
		return ustar
	case string(b[257:265]) == "ustar  \x00":
		return gnu
	}
	return v7
}

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
func (b *block) prefix() []byte   { return cString(b[345:500]) } // ustar only

func (b *block) isZero() bool { return *b == block{} }

// verify compares the checksum with the unsigned sum of all bytes, its own field
// taken as spaces.
func (b *block) verify() error {
	want, err := parseOctal(b.checksum())
	if err != nil {
		return corrupt.Errorf("checksum: %w", err)
	}
	sum := b.sum() + 8*' '
	for _, c := range b.checksum() {
		sum -= uint64(c)
	}
	if sum != want {
		return corrupt.Errorf("checksum mismatch: header says %d, its bytes add up to %d", want, sum)
	}
	return nil
}

// sum adds up all bytes, eight at a time in four lanes of 16 bits, which they do not
// overflow: 512 / 4 bytes of at most 255 in each.
func (b *block) sum() uint64 {
	const lanes = 0x00ff00ff00ff00ff
	var sums uint64
	for i := 0; i < blockSize; i += 8 {
		word := binary.LittleEndian.Uint64(b[i:])
		sums += word&lanes + word>>8&lanes
	}
	return sums&0xffff + sums>>16&0xffff + sums>>32&0xffff + sums>>48
}

// cString cuts a field at its first NUL.
func cString(field []byte) []byte {
	s, _, _ := bytes.Cut(field, []byte{0})
	return s
}

// parseOctal reads octal digits between white space; none at all is 0.
func parseOctal(field []byte) (uint64, error) {
	var n uint64
	for _, c := range bytes.TrimFunc(cString(field), isSpace) {
		if c < '0' || c > '7' {
			return 0, corrupt.Errorf("%q is no octal number", field)
		}
		n = n<<3 | uint64(c-'0')
	}
	return n, nil
}

func isSpace(r rune) bool { return r == ' ' || '\t' <= r && r <= '\r' }

// isBase256 reports whether a number is written in binary, as GNU tar does when
// it does not fit.
func isBase256(field []byte) bool { return field[0]&0x80 != 0 }

// parseNumber reads an octal or a binary number; of a binary one the lowest 64
// bits count, so that one of all ones is -1 as a time.
func parseNumber(field []byte) (uint64, error) {
	if !isBase256(field) {
		return parseOctal(field)
	}
	if len(field) < 8 {
		return 0, corrupt.Errorf("%q is no number", field)
	}
	n := binary.BigEndian.Uint64(field[len(field)-8:])
	if len(field) == 8 {
		n &^= 1 << 63
	}
	return n, nil
}
