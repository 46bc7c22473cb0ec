package dumpfile

import (
	"bytes"
	"slices"
	"strings"

	"cfs/lib/tree"
)

const (
	// maxXattrText is the longest text after field 11, in bytes: the limit of
	// mkcomposefs. Escapes count as the bytes they stand for, so that whether a
	// line is accepted does not depend on how it is spelled.
	maxXattrText = 65535

	// maxXattrs is how many xattrs fit into that text: "k=" and a space each.
	maxXattrs = (maxXattrText + 1) / 3

	maxKey   = 255   // bytes of an xattr's name: XATTR_NAME_MAX
	maxValue = 65535 // bytes of its value: what an image's 16 bits can say
)

// readXattrs reads the xattrs of a line, in whatever order they are.
func (p *parser) readXattrs() ([]tree.Xattr, error) {
	if !p.hasXattrs {
		return nil, nil
	}
	list := make([]tree.Xattr, 0, min(bytes.Count(p.xattrs, []byte{' '})+1, maxXattrs))
	sorted, size := true, 0
	for rest, more := p.xattrs, true; more; {
		var text []byte
		text, rest, more = bytes.Cut(rest, []byte{' '})
		x, err := p.readXattr(text)
		if err != nil {
			return nil, err
		}
		sorted = sorted && (len(list) == 0 || list[len(list)-1].Name < x.Name)
		list = append(list, x)
		size += len(x.Name) + len(x.Value)
		if size+2*len(list)-1 > maxXattrText { // an = each, and spaces between
			return nil, p.errorf(fieldXattr, xattrsTooBig, "more than %d bytes of text", maxXattrText)
		}
	}
	if n := 12 + 7*len(list) + size; n > p.limits.xattrs {
		return nil, p.errorf(fieldXattr, xattrsTooBig, "%d bytes with their headers, more than %d", n, p.limits.xattrs)
	}
	if sorted {
		return list, nil
	}
	return list, p.sortXattrs(list)
}

// readXattr reads one xattr.
func (p *parser) readXattr(text []byte) (tree.Xattr, error) {
	left, right, ok := bytes.Cut(text, []byte{'='})
	if !ok {
		return tree.Xattr{}, p.errorf(fieldXattr, xattrNoEquals, "%s has no =", show(text))
	}
	key, err := p.unescape(fieldXattr, left, &p.key)
	if err != nil {
		return tree.Xattr{}, err
	}
	switch {
	case len(key) == 0:
		return tree.Xattr{}, p.errorf(fieldXattr, xattrEmptyKey, "%s has no name", show(text))
	case len(key) > maxKey:
		return tree.Xattr{}, p.errorf(fieldXattr, xattrKeyTooLong, "a name of %d bytes, more than %d", len(key), maxKey)
	case bytes.IndexByte(key, 0) >= 0:
		return tree.Xattr{}, p.errorf(fieldXattr, nulByte, "the name %s holds the byte NUL", show(left))
	}
	value, err := p.unescape(fieldXattr, right, &p.value)
	if err != nil {
		return tree.Xattr{}, err
	}
	if len(value) > maxValue {
		return tree.Xattr{}, p.errorf(fieldXattr, xattrValueTooLong, "a value of %d bytes, more than %d", len(value), maxValue)
	}
	return tree.Xattr{Name: p.intern(key), Value: p.intern(value)}, nil
}

// sortXattrs sorts by name and refuses a name that comes twice.
func (p *parser) sortXattrs(list []tree.Xattr) error {
	slices.SortFunc(list, func(a, b tree.Xattr) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(list); i++ {
		if list[i].Name == list[i-1].Name {
			return p.errorf(fieldXattr, xattrDuplicate, "%s comes twice", show([]byte(list[i].Name)))
		}
	}
	return nil
}

// intern returns b as a string, the same one for the same bytes: a file system
// has few different names and values of xattrs.
func (p *parser) intern(b []byte) string {
	if s, ok := p.strings[string(b)]; ok {
		return s
	}
	s := string(b)
	p.strings[s] = s
	return s
}
