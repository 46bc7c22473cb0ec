package tarball

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"

	"cfs/lib/corrupt"
	"cfs/lib/tolerance"
	"cfs/lib/tree"
)

// xattrPrefix begins the keys of PAX records that hold extended attributes.
const xattrPrefix = "SCHILY.xattr."

// applyPAX applies the records of an extended header to m. A record is
// "LENGTH KEY=VALUE\n", its length counting all of it. As in the reference, a
// length that is no number ends the list without a word.
func (m *Member) applyPAX(data []byte) error {
	fraction := ""
	times := 0
	for len(data) > 0 {
		digits, _, ok := bytes.Cut(data, []byte(" "))
		length, err := strconv.ParseUint(string(digits), 10, 63)
		if !ok || err != nil {
			break
		}
		if length > uint64(len(data)) || length < uint64(len(digits))+2 || data[length-1] != '\n' {
			return corrupt.Errorf("malformed PAX record")
		}
		key, value, ok := bytes.Cut(data[len(digits)+1:length-1], []byte("="))
		if !ok || !utf8.Valid(key) {
			return corrupt.Errorf("malformed PAX record")
		}
		if string(key) == "mtime" {
			if times++; times == 1 {
				_, fraction, _ = strings.Cut(string(value), ".")
			}
		}
		if err := m.applyRecord(key, value); err != nil {
			return err
		}
		data = data[length:]
	}
	if times > 0 {
		m.setFraction(fraction)
	}
	return nil
}

func (m *Member) applyRecord(key, value []byte) error {
	var err error
	switch string(key) {
	case "path":
		m.Name = string(value)
	case "linkpath":
		m.Link = string(value)
	case "size":
		m.Size, err = parsePAX("size", string(value))
	case "uid":
		m.UID, err = parseID("uid", string(value))
	case "gid":
		m.GID, err = parseID("gid", string(value))
	case "mtime":
		err = m.applyMtime(string(value))
	case "GNU.sparse.offset", "GNU.sparse.numbytes", "GNU.sparse.map", "GNU.sparse.major":
		m.Sparse = true
	default:
		if name, ok := bytes.CutPrefix(key, []byte(xattrPrefix)); ok {
			m.setXattr(string(name), string(value))
		}
	}
	return err
}

// setXattr keeps the last value of a name.
func (m *Member) setXattr(name, value string) {
	n := tree.Inode{Xattrs: m.Xattrs}
	n.SetXattr(name, value)
	m.Xattrs = n.Xattrs
}

// parsePAX reads an unsigned decimal of up to 64 bits.
func parsePAX(key, value string) (uint64, error) {
	n, err := strconv.ParseUint(strings.TrimPrefix(value, "+"), 10, 64)
	if err != nil {
		return 0, corrupt.Errorf("invalid PAX %s %q", key, value)
	}
	return n, nil
}

// parseID reads a user or group; of more than 32 bits the lowest count.
func parseID(key, value string) (uint32, error) {
	n, err := parsePAX(key, value)
	return uint32(n), err
}

// applyMtime reads the seconds before the point. Those before 1970 are taken, but
// the reference refuses them.
func (m *Member) applyMtime(value string) error {
	text, _, _ := strings.Cut(value, ".")
	digits, negative := strings.CutPrefix(text, "-")
	n, err := parsePAX("mtime", digits)
	if err != nil || negative && (n > 1<<63 || digits[0] == '+') {
		return corrupt.Errorf("invalid PAX mtime %q", value)
	}
	m.before1970 = negative
	if negative {
		m.Read |= tolerance.SetOf(tolerance.Before1970)
		n = -n
	}
	m.Mtime = tree.Time{Sec: int64(n)}
	return nil
}

// setFraction adds the digits behind the point: nine count, and what is no number
// is 0. Before 1970 they lead away from it.
func (m *Member) setFraction(digits string) {
	digits = digits[:min(len(digits), 9)]
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil {
		return
	}
	for range 9 - len(digits) {
		n *= 10
	}
	if m.before1970 && n > 0 {
		m.Mtime.Sec--
		n = 1e9 - n
	}
	m.Mtime.Nsec = uint32(n)
}
