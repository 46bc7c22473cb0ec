package tarball

import (
	"bytes"

	"cfs/lib/tolerance"
)

// starTrailer stands at the end of a header by star, where POSIX has padding.
const starTrailer = "tar\x00"

// name returns the name of a member as the header alone has it, and what is odd about it.
func (r *Reader) name(b *block) (string, tolerance.Set) {
	if name, read := longName(r.longName); len(name) > 0 {
		return string(name), read
	}
	prefix, read := b.prefix()
	if r.longName != nil {
		read |= tolerance.SetOf(tolerance.PaddedName) // the reference takes it for the name
	}
	if len(prefix) == 0 {
		return string(b.name()), read
	}
	return string(prefix) + "/" + string(b.name()), read
}

// link returns the target of a link as the header alone has it.
func (r *Reader) link(b *block) (string, tolerance.Set) {
	if name, read := longName(r.longLink); len(name) > 0 {
		return string(name), read
	}
	link := b.linkName()
	if r.longLink != nil && len(link) > 0 {
		return string(link), tolerance.SetOf(tolerance.PaddedName)
	}
	return string(link), 0
}

// longName returns what a GNU extension header holds, up to its first NUL. The reference
// cuts off one NUL at its end.
func longName(data []byte) ([]byte, tolerance.Set) {
	name := cString(data)
	if len(name) < len(data)-1 {
		return name, tolerance.SetOf(tolerance.PaddedName)
	}
	return name, 0
}

// prefix returns what stands before the name, as Go reads it: 155 bytes in a ustar
// header, 131 in one by star, and none in a GNU header, where times stand in its place.
// Until 1.8, though, Go wrote GNU headers with a prefix: what is no time is one.
func (b *block) prefix() ([]byte, tolerance.Set) {
	prefix := cString(b[345:500])
	switch b.format() {
	case ustar:
		var read tolerance.Set
		if b.isOddVersion() && len(prefix) > 0 {
			read |= tolerance.SetOf(tolerance.UstarVersion)
		}
		if string(b[508:512]) == starTrailer && len(prefix) > 131 {
			prefix, read = prefix[:131], read|tolerance.SetOf(tolerance.StarPrefix)
		}
		return prefix, read
	case gnu:
		atime, ctime := b[345:357], b[357:369]
		if len(prefix) > 0 && isASCII(prefix) && !(isTime(atime) && isTime(ctime)) {
			return prefix, tolerance.SetOf(tolerance.GNUPrefix)
		}
	}
	return nil, 0
}

// isTime reports whether a field of a GNU header is a time, or not set.
func isTime(field []byte) bool {
	if field[0] == 0 || isBase256(field) {
		return true
	}
	_, err := octal(cString(bytes.Trim(field, " \x00")))
	return err == nil
}

func isASCII(s []byte) bool {
	for _, c := range s {
		if c >= 0x80 {
			return false
		}
	}
	return true
}
