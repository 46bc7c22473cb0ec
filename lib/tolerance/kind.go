package tolerance

import (
	"fmt"
	"iter"
	"math/bits"
)

// Kind is one of the ways in which an input is read otherwise than by the reference.
type Kind uint8

// What the reference refuses.
const (
	MissingParent    Kind = iota // of a member: it is made
	MissingDirectory             // of a whiteout: nothing is removed
	SymlinkParent                // is followed, inside the root
	NoUsr                        // the root is as its own entry says
	RunNoDirectory               // is left as it is
	Before1970                   // a PAX time
	BinaryDevice                 // device numbers in base 256
	DeviceNumbers                // that are none, of a member that is no device
	SignedSum                    // of a header
	LoneZeroBlock                // at the end of the archive
	EmptyRecord                  // of PAX: the header's value holds
	BareExtension                // an extension header in a V7 archive
	MetadataLink                 // of AUFS, which is never in the image
	OddWhiteout                  // whose type or target the reference looks at
	WhiteoutName                 // a second name of a whiteout device
	OtherCompression             // than the media type says

	// What the reference reads as another tree, if it does not refuse it.
	GNUPrefix    // a prefix where GNU tar has times
	StarPrefix   // the shorter one of star
	UstarVersion // other than 00
	BodySize     // in the header of a member without a body
	SlashedName  // of a directory in a V7 archive
	EmptyLink    // a PAX record: the header's target holds
	LateNumber   // behind NULs
	PaddedName   // a GNU long name with more NULs than one at its end
	SparseName   // of a file that is not sparse
	OwnMember    // of a layer, which a whiteout of the same layer would remove

	kinds // how many there are, at most 64: each has a bit in a Set
)

var texts = [kinds]string{
	MissingParent:    "the directory %q has no entry",
	MissingDirectory: "%v",
	SymlinkParent:    "%q is a symbolic link, not a directory",
	NoUsr:            "/usr is missing or not a directory",
	RunNoDirectory:   "/run is not a directory",
	Before1970:       "a PAX mtime before 1970",
	BinaryDevice:     "base-256 device numbers",
	DeviceNumbers:    "invalid device numbers",
	SignedSum:        "a header checksum of signed bytes",
	LoneZeroBlock:    "a single zero block at the end of the archive",
	EmptyRecord:      "an empty PAX record",
	BareExtension:    "an extension header in the V7 format",
	MetadataLink:     "a member of AUFS, or a link to one",
	OddWhiteout:      "a whiteout that is not a plain file: %v",
	WhiteoutName:     "a whiteout device with a second name",
	OtherCompression: "its content is %s, its media type says %s",
	GNUPrefix:        "a GNU header with a prefix",
	StarPrefix:       "star's prefix of 131 bytes",
	UstarVersion:     "a ustar header with a version other than 00",
	BodySize:         "a size in the header of a member without a body",
	SlashedName:      "a directory by the slash at the end of its name",
	EmptyLink:        "an empty PAX linkpath",
	LateNumber:       "a number after NULs",
	PaddedName:       "a GNU long name that ends in NULs",
	SparseName:       "a GNU.sparse.name of a file that is not sparse",
	OwnMember:        "a whiteout after members of its own layer",
}

// text returns what a kind is, completed by about.
func (k Kind) text(about []any) string {
	if len(about) == 0 {
		return texts[k]
	}
	return fmt.Sprintf(texts[k], about...)
}

// warns reports whether the user is told of a kind without strict rules.
func (k Kind) warns() bool { return k.isOther() || k == OtherCompression }

// isOther reports whether the reference reads another tree.
func (k Kind) isOther() bool { return k >= GNUPrefix }

// consequence says what the reference makes of it.
func (k Kind) consequence() string {
	if k.isOther() {
		return "cfsctl 0.9.0 has another tree, or none"
	}
	return "cfsctl 0.9.0 refuses it"
}

// Set is a set of kinds.
type Set uint64

// SetOf returns the set of kinds.
func SetOf(list ...Kind) Set {
	var s Set
	for _, k := range list {
		s |= 1 << k
	}
	return s
}

// Kinds yields what is in the set, in order.
func (s Set) Kinds() iter.Seq[Kind] {
	return func(yield func(Kind) bool) {
		for ; s != 0; s &= s - 1 {
			if !yield(Kind(bits.TrailingZeros64(uint64(s)))) {
				return
			}
		}
	}
}
