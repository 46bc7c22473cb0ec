// Package rawtar writes tars header by header and field by field, for tests: what
// archive/tar refuses to write, and what other programs have written.
package rawtar

import (
	"fmt"
	"strings"
)

const blockSize = 512

// The magic and version of the formats, 8 bytes at 257.
const (
	POSIX = "ustar\x0000"
	GNU   = "ustar  \x00"
	V7    = "\x00\x00\x00\x00\x00\x00\x00\x00"
)

// Member is one header, and the body that stands behind it.
type Member struct {
	Type    byte
	Name    string
	Link    string
	Mode    int
	Size    int    // in the header, where it is not that of the body
	Magic   string // POSIX if it is empty
	Content string

	// Fields are written over the header, in this order, last of all but the checksum.
	Fields []Field
	// Signed makes the checksum that of signed bytes.
	Signed bool
}

// Field is bytes at an offset of a header.
type Field struct {
	At    int
	Bytes string
}

// File returns a regular file.
func File(name, content string) Member {
	return Member{Type: '0', Name: name, Mode: 0o644, Content: content}
}

// Dir returns a directory; the name ends in a slash.
func Dir(name string) Member { return Member{Type: '5', Name: name, Mode: 0o755} }

// Symlink returns a symbolic link.
func Symlink(name, target string) Member {
	return Member{Type: '2', Name: name, Link: target, Mode: 0o777}
}

// Hardlink returns another name of an earlier member.
func Hardlink(name, target string) Member {
	return Member{Type: '1', Name: name, Link: target, Mode: 0o644}
}

// PAX returns an extended header of records such as "path=name".
func PAX(records ...string) Member {
	body := ""
	for _, r := range records {
		body += Record(r)
	}
	return Member{Type: 'x', Name: "PaxHeaders/x", Mode: 0o644, Content: body}
}

// Record returns a record of an extended header with its length.
func Record(text string) string {
	length := len(text) + len(" \n")
	for digits := 1; ; digits++ {
		if s := fmt.Sprintf("%d %s\n", length+digits, text); len(s) == length+digits {
			return s
		}
	}
}

// LongName returns a GNU header that holds the name of the next member; data ends in a NUL
// as a rule.
func LongName(data string) Member {
	return Member{Type: 'L', Name: "././@LongLink", Magic: GNU, Content: data}
}

// LongLink is LongName for the target of the next member.
func LongLink(data string) Member {
	return Member{Type: 'K', Name: "././@LongLink", Magic: GNU, Content: data}
}

// With returns m with bytes of its header replaced.
func (m Member) With(at int, field string) Member {
	m.Fields = append(m.Fields[:len(m.Fields):len(m.Fields)], Field{at, field})
	return m
}

// As returns m in another format.
func (m Member) As(magic string) Member {
	m.Magic = magic
	return m
}

// Sized returns m with a size in its header that is not that of its body.
func (m Member) Sized(size int) Member {
	m.Size = size
	return m
}

// Header returns the block of the header.
func (m Member) Header() []byte {
	b := make([]byte, blockSize)
	copy(b, m.Name)
	size := max(m.Size, len(m.Content))
	copy(b[100:], fmt.Sprintf("%07o\x00%07o\x00%07o\x00%011o\x00%011o\x00", m.Mode, 0, 0, size, 0))
	b[156] = m.Type
	copy(b[157:257], m.Link)
	if m.Magic == "" {
		m.Magic = POSIX
	}
	copy(b[257:], m.Magic)
	sum := true
	for _, f := range m.Fields {
		copy(b[f.At:], f.Bytes)
		sum = sum && f.At != 148
	}
	if sum {
		setSum(b, checksum(b, m.Signed))
	}
	return b
}

// Sum gives a header its checksum.
func Sum(header []byte) { setSum(header, checksum(header, false)) }

func setSum(header []byte, sum int) { copy(header[148:], fmt.Sprintf("%06o\x00 ", sum)) }

func checksum(b []byte, signed bool) int {
	sum := 8 * int(' ')
	for i, c := range b {
		switch {
		case i >= 148 && i < 156:
		case signed:
			sum += int(int8(c))
		default:
			sum += int(c)
		}
	}
	return sum
}

// Bytes returns header and body, padded to the next block.
func (m Member) Bytes() []byte {
	body := m.Content + strings.Repeat("\x00", -len(m.Content)&(blockSize-1))
	return append(m.Header(), body...)
}

// Concat returns members without an end mark.
func Concat(members ...Member) []byte {
	var out []byte
	for _, m := range members {
		out = append(out, m.Bytes()...)
	}
	return out
}

// Tar returns members and the two blocks of zeros that end an archive.
func Tar(members ...Member) []byte {
	return append(Concat(members...), make([]byte, 2*blockSize)...)
}
