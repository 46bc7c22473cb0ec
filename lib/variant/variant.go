package variant

import (
	"fmt"
	"strings"
)

// Variant tells which of the file systems of a container image an EROFS image is.
type Variant struct {
	Boot   bool      // the one to boot, not the plain one
	Format Format    // of the EROFS image
	Xattrs XattrMode // of the boot variant; the plain one has the default
}

const (
	plainKey  = "composefs.image"
	bootKey   = "composefs.image.boot"
	v1Suffix  = ".v1"
	modeInfix = ".xattrs="
)

// Name returns the word of records for what the variant is of: "plain" or "boot".
func (v Variant) Name() string {
	if v.Boot {
		return "boot"
	}
	return "plain"
}

// ParseName reads what Name returns, and reports whether it is the boot variant.
func ParseName(s string) (boot bool, err error) {
	switch s {
	case "plain":
		return false, nil
	case "boot":
		return true, nil
	}
	return false, fmt.Errorf("%q: want plain or boot", s)
}

// Key returns the named reference of the config that leads to that EROFS image.
// Images of the formats 0 and 1 stand in the same place.
func (v Variant) Key() string {
	key := plainKey
	if v.Boot {
		key = bootKey
	}
	if v.Format < V2 {
		key += v1Suffix
	}
	if v.Boot && v.Xattrs != AllowlistOnly {
		key += modeInfix + v.Xattrs.String()
	}
	return key
}

// IsKey tells a config's references to EROFS images from those to layers.
func IsKey(key string) bool {
	return key == plainKey || key == plainKey+v1Suffix || IsBootKey(key)
}

// IsBootKey reports whether a reference is one to a boot image.
func IsBootKey(key string) bool { return strings.HasPrefix(key, bootKey) }

// ParseKey returns what a reference to an EROFS image leads to; for one in the
// place of the formats 0 and 1 it says V1. ok is false for keys that later writers
// may have, which are kept but not understood.
func ParseKey(key string) (v Variant, ok bool) {
	rest, mode, hasMode := strings.Cut(key, modeInfix)
	if hasMode {
		var err error
		if v.Xattrs, err = ParseXattrMode(mode); err != nil {
			return Variant{}, false
		}
	}
	rest, isV1 := strings.CutSuffix(rest, v1Suffix)
	v.Format = V2
	if isV1 {
		v.Format = V1
	}
	v.Boot = rest == bootKey
	return v, (v.Boot || rest == plainKey) && v.Key() == key
}
