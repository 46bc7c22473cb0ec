package tarball

import (
	"bytes"
	"encoding/binary"

	"cfs/lib/corrupt"
	"cfs/lib/tolerance"
)

// cString cuts a field at its first NUL.
func cString(field []byte) []byte {
	s, _, _ := bytes.Cut(field, []byte{0})
	return s
}

// parseOctal reads octal digits between white space; none at all is 0. Digits behind
// NULs count, as they do for GNU tar and for Go, if there are none before; late reports
// that they did.
func parseOctal(field []byte) (n uint64, late bool, err error) {
	digits := trimSpace(cString(field))
	if len(digits) == 0 {
		// What stands there and is no number has no meaning, as before.
		n, err = octal(trimSpace(cString(bytes.Trim(field, " \x00"))))
		return n, err == nil && n != 0, nil
	}
	if n, err = octal(digits); err != nil {
		return 0, false, corrupt.Errorf("%q is not an octal number", field)
	}
	return n, false, nil
}

// errDigit is the error of octal, which the caller describes.
var errDigit = corrupt.Errorf("not an octal digit")

func octal(digits []byte) (n uint64, err error) {
	for _, c := range digits {
		if c < '0' || c > '7' {
			return 0, errDigit
		}
		n = n<<3 | uint64(c-'0')
	}
	return n, nil
}

func trimSpace(s []byte) []byte {
	for len(s) > 0 && isSpace(s[0]) {
		s = s[1:]
	}
	for len(s) > 0 && isSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// isBase256 reports whether a number is written in binary, as GNU tar does when
// it does not fit.
func isBase256(field []byte) bool { return field[0]&0x80 != 0 }

// parseBinary reads a number of 8 bytes or more in base 256: the lowest 64 bits count, so
// that one of all ones is -1 as a time.
func parseBinary(field []byte) uint64 {
	n := binary.BigEndian.Uint64(field[len(field)-8:])
	if len(field) == 8 {
		n &^= 1 << 63
	}
	return n
}

// numbers reads the numbers of a header and keeps the first error, and what is odd.
type numbers struct {
	read tolerance.Set
	err  error
}

func (n *numbers) number(name string, field []byte) uint64 {
	if isBase256(field) {
		return parseBinary(field)
	}
	return n.octal(name, field)
}

func (n *numbers) octal(name string, field []byte) uint64 {
	v, late, err := parseOctal(field)
	if late {
		n.read |= tolerance.SetOf(tolerance.LateNumber)
	}
	if err != nil && n.err == nil {
		n.err = corrupt.Errorf("%s: %w", name, err)
	}
	return v
}
