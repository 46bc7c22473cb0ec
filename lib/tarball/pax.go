package tarball

import (
	"bytes"
	"cmp"
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
	if len(data) == 0 {
		return nil
	}
	p := pax{Member: m, header: *m}
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
		if err := p.apply(key, value); err != nil {
			return err
		}
		data = data[length:]
	}
	p.finish()
	return nil
}

// pax is a member to which the records of an extended header are applied.
type pax struct {
	*Member
	header Member // as it was: an empty record brings it back

	times    int    // records of mtime so far
	fraction string // of the first one, which is the one that counts for the reference

	sparseName               string // GNU.sparse.name, "" if there is none
	sparseMajor, sparseMinor string // the version of the sparse format
}

func (p *pax) apply(key, value []byte) error {
	if len(value) == 0 && p.remove(string(key)) {
		return nil
	}
	var err error
	switch string(key) {
	case "path":
		p.Name, p.names = string(value), 0
	case "linkpath":
		p.Link, p.links = string(value), 0
	case "size":
		p.Size, err = parsePAX("size", string(value))
	case "uid":
		p.UID, err = parseID("uid", string(value))
	case "gid":
		p.GID, err = parseID("gid", string(value))
	case "mtime":
		err = p.applyMtime(string(value))
	case "GNU.sparse.offset", "GNU.sparse.numbytes", "GNU.sparse.map":
		p.Sparse = true
	case "GNU.sparse.major":
		p.sparseMajor = string(value)
	case "GNU.sparse.minor":
		p.sparseMinor = string(value)
	case "GNU.sparse.name":
		p.sparseName = string(value)
	default:
		if name, ok := bytes.CutPrefix(key, []byte(xattrPrefix)); ok {
			p.setXattr(string(name), string(value))
		}
	}
	return err
}

// remove does what an empty record says: there is no record of that key, and the header
// holds. An extended attribute, though, may be empty.
func (p *pax) remove(key string) bool {
	switch key {
	case "path":
		p.Name, p.names = p.header.Name, p.header.names|tolerance.SetOf(tolerance.EmptyRecord)
	case "linkpath":
		p.Link, p.links = p.header.Link, p.header.links
		if p.Link != "" {
			p.links |= tolerance.SetOf(tolerance.EmptyLink)
		}
	case "size":
		p.Size = p.header.Size
	case "uid":
		p.UID = p.header.UID
	case "gid":
		p.GID = p.header.GID
	case "mtime":
		p.Mtime, p.times = p.header.Mtime, 0
	case "GNU.sparse.map", "GNU.sparse.major", "GNU.sparse.minor", "GNU.sparse.name":
	default:
		return false
	}
	if key != "path" && key != "linkpath" {
		p.Read |= tolerance.SetOf(tolerance.EmptyRecord)
	}
	return true
}

// finish applies what is known only when all records were read.
func (p *pax) finish() {
	if p.times > 0 {
		p.setFraction(p.fraction)
	}
	if p.sparseName != "" && p.sparseName != p.Name {
		p.Read |= tolerance.SetOf(tolerance.SparseName)
	}
	p.Sparse = p.Sparse || p.isSparse()
}

// isSparse reports whether the records are of a version whose map is in the body. Of no
// other version but those with a map in the header is anything known: such a file is what
// it seems to be.
func (p *pax) isSparse() bool {
	if p.sparseMajor == "" && p.sparseMinor == "" {
		return false
	}
	major, err1 := strconv.ParseUint(p.sparseMajor, 10, 64)
	minor, err2 := strconv.ParseUint(cmp.Or(p.sparseMinor, "1"), 10, 64)
	return err1 != nil && p.sparseMajor != "" || err2 != nil || major == 1 && minor == 0
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
func (p *pax) applyMtime(value string) error {
	text, fraction, _ := strings.Cut(value, ".")
	if p.times++; p.times == 1 {
		p.fraction = fraction
	}
	digits, negative := strings.CutPrefix(text, "-")
	n, err := parsePAX("mtime", digits)
	if err != nil || negative && (n > 1<<63 || digits[0] == '+') {
		return corrupt.Errorf("invalid PAX mtime %q", value)
	}
	p.before1970 = negative
	if negative {
		p.Read |= tolerance.SetOf(tolerance.Before1970)
		n = -n
	}
	p.Mtime = tree.Time{Sec: int64(n)}
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
