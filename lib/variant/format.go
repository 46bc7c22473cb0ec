// Package variant names the EROFS images that a container image can have: plain or boot image,
// format, and kept xattrs; and the named references from the config to them. Each of these words
// is validated once, where it enters.
//
// Package erofs defines the formats byte by byte.
package variant

import (
	"fmt"
	"strings"
)

// Format is the composefs_version of an EROFS image, which its options call
// --erofs-version: V0, V1 or V2.
type Format uint8

const (
	V0 Format = iota // mkcomposefs: layout E1
	V1               // layout E1, with the opaque xattrs beside whiteouts
	V2               // layout E2
)

// Formats lists all formats.
func Formats() []Format { return []Format{V0, V1, V2} }

// formats is how many formats there are.
const formats = V2 + 1

// ParseFormat reads a format, one digit. The error repeats s and lists what there is.
func ParseFormat(s string) (Format, error) {
	if len(s) != 1 || s[0] < '0' || s[0] >= '0'+byte(formats) {
		return 0, fmt.Errorf("%q: want 0, 1 or 2", s)
	}
	return Format(s[0] - '0'), nil
}

// FormatOf returns the format of a number that was read from a file; ok is false if it is
// none.
func FormatOf(n uint64) (f Format, ok bool) { return Format(n), n < uint64(formats) }

// XattrMode says which extended attributes a tree keeps.
type XattrMode uint8

const (
	AllowlistOnly  XattrMode = iota // security.capability
	KeepUserXattrs                  // that, and user.*
)

// XattrModes lists all modes, the default first.
func XattrModes() []XattrMode { return []XattrMode{AllowlistOnly, KeepUserXattrs} }

// String returns the word that --xattrs, records and the references of boot images use.
func (x XattrMode) String() string {
	if x == KeepUserXattrs {
		return "keep-user-xattrs"
	}
	return "allowlist-only"
}

// ParseXattrMode reads what String returns.
func ParseXattrMode(s string) (XattrMode, error) {
	for _, x := range XattrModes() {
		if s == x.String() {
			return x, nil
		}
	}
	return 0, fmt.Errorf("unknown xattr mode %q: want %s or %s", s, AllowlistOnly, KeepUserXattrs)
}

// Keeps reports whether the tree keeps the extended attribute of a name.
func (x XattrMode) Keeps(name string) bool {
	return name == "security.capability" || x == KeepUserXattrs && strings.HasPrefix(name, "user.")
}
