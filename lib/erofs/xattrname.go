package erofs

import (
	"cfs/lib/variant"
	"strings"
)

// xattrPrefixes are the prefixes of xattr names by their index
// (EROFS_XATTR_INDEX_*): an entry stores the index and the rest of the name.
var xattrPrefixes = [...]string{
	0: "",
	1: "user.",
	2: "system.posix_acl_access",
	3: "system.posix_acl_default",
	4: "trusted.",
	5: "lustre.",
	6: "security.",
}

const (
	xattrACLAccess  = 2
	xattrACLDefault = 3
	xattrLustre     = 5 // which layout E1 does not know
)

// xattrName is the name of an xattr as inodes store it.
type xattrName struct {
	full  string
	index uint8 // of its prefix
	bit   uint8 // in the name filters of inodes
}

func newXattrName(v variant.Format, full string) xattrName {
	n := xattrName{full: full, index: xattrIndex(v, full)}
	n.bit = uint8(xxh32(n.suffix(), xattrFilterSeed+uint32(n.index)) & 31)
	return n
}

// xattrIndex returns the index of the prefix that name begins with, 0 if with
// none of those that the layout knows. No prefix begins with another one.
func xattrIndex(v variant.Format, name string) uint8 {
	for i := uint8(1); i < uint8(len(xattrPrefixes)); i++ {
		if strings.HasPrefix(name, xattrPrefixes[i]) && (i != xattrLustre || v == variant.V2) {
			return i
		}
	}
	return 0
}

// suffix returns the name without its prefix.
func (n xattrName) suffix() string { return n.full[len(xattrPrefixes[n.index]):] }

// isACL reports whether the name is that of an ACL, and not only begins so.
func (n xattrName) isACL() bool {
	return (n.index == xattrACLAccess || n.index == xattrACLDefault) && n.suffix() == ""
}
