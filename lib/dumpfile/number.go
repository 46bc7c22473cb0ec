package dumpfile

import (
	"bytes"
	"math"

	"golang.org/x/sys/unix"

	"cfs/lib/tree"
)

// parseUint reads digits of a base up to 10, one plus sign before them allowed.
// A number above max is "number-range", every other mistake "bad-number".
func parseUint(text []byte, base, max uint64) (n uint64, class string) {
	if len(text) > 0 && text[0] == '+' {
		text = text[1:]
	}
	if len(text) == 0 {
		return 0, badNumber
	}
	for _, c := range text {
		digit := uint64(c - '0') // wraps to more than 9 below '0'
		if c < '0' || digit >= base {
			return 0, badNumber
		}
		if n > (max-digit)/base {
			class = numberRange
		}
		n = n*base + digit
	}
	return n, class
}

// number reads a decimal field.
func (p *parser) number(f field, max uint64) (uint64, error) {
	n, class := parseUint(p.fields[f], 10, max)
	if class == numberRange {
		return 0, p.errorf(f, class, "%s is more than %d", show(p.fields[f]), max)
	}
	if class != "" {
		return 0, p.errorf(f, class, "%s is no decimal number", show(p.fields[f]))
	}
	return n, nil
}

// number32 reads a decimal field of 32 bits.
func (p *parser) number32(f field) (uint32, error) {
	n, err := p.number(f, math.MaxUint32)
	return uint32(n), err
}

// mode reads MODE, and whether the line is another name of an inode that is
// there. Only a mode that is not such a line's has to have a file type.
func (p *parser) mode() (mode uint32, hardlink bool, err error) {
	text, hardlink := bytes.CutPrefix(p.fields[fieldMode], []byte{'@'})
	n, class := parseUint(text, 8, math.MaxUint32)
	if class != "" {
		return 0, false, p.errorf(fieldMode, badMode, "%s is not an octal number of 32 bits", show(p.fields[fieldMode]))
	}
	mode = uint32(n) & 0177777 // both references drop what is above
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		if hardlink {
			return 0, false, p.errorf(fieldMode, hardlinkDir, "a directory has no second name")
		}
	case unix.S_IFREG, unix.S_IFLNK, unix.S_IFBLK, unix.S_IFCHR, unix.S_IFIFO, unix.S_IFSOCK:
	default:
		if !hardlink {
			return 0, false, p.errorf(fieldMode, badMode, "%s has no file type", show(p.fields[fieldMode]))
		}
	}
	return mode, hardlink, nil
}

// mtime reads MTIME: seconds, a dot, and a number of nanoseconds, which is no
// fraction: 5.7 is 5 s and 7 ns.
func (p *parser) mtime() (tree.Time, error) {
	sec, nsec, _ := bytes.Cut(p.fields[fieldMtime], []byte{'.'})
	s, okSec := parseSeconds(sec)
	ns, class := parseUint(nsec, 10, 999999999)
	if !okSec || class != "" {
		return tree.Time{}, p.errorf(fieldMtime, badMtime, "%s is not seconds, a dot, nanoseconds below 1000000000", show(p.fields[fieldMtime]))
	}
	return tree.Time{Sec: s, Nsec: uint32(ns)}, nil
}

// parseSeconds reads a number of 64 bits with a sign. What is above its range
// is taken for the two's complement of a negative number, which is how
// mkcomposefs writes a time before 1970.
func parseSeconds(text []byte) (int64, bool) {
	if digits, negative := bytes.CutPrefix(text, []byte{'-'}); negative {
		n, class := parseUint(digits, 10, 1<<63)
		return -int64(n), class == "" && (len(digits) > 0 && digits[0] != '+')
	}
	n, class := parseUint(text, 10, math.MaxUint64)
	return int64(n), class == ""
}
