// Package verity computes, enables and measures fs-verity digests: the names of everything in a
// composefs repository.
//
// The parameters are those of composefs: SHA-256 or SHA-512, blocks of 4096 bytes, no salt. The
// digest of a file is the hash of a 256-byte descriptor with its size and the root of a Merkle
// tree over its blocks, as defined in the kernel's Documentation/filesystems/fsverity.rst.
// Signatures are not handled.
package verity

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
)

// Algorithm is a hash algorithm by the number that the kernel gives it
// (FS_VERITY_HASH_ALG_* in include/uapi/linux/fsverity.h).
type Algorithm uint8

const (
	SHA256 Algorithm = 1
	SHA512 Algorithm = 2
)

// BlockBits is log2 of the block size, the only one that composefs uses.
const BlockBits = 12

const (
	blockSize = 1 << BlockBits
	maxSize   = 64 // of a digest, in bytes
)

// Size returns the length of a digest in bytes: 32 or 64.
func (a Algorithm) Size() int {
	if a == SHA512 {
		return 64
	}
	return 32
}

// Name returns the name of the hash alone: "sha256" or "sha512".
func (a Algorithm) Name() string {
	switch a {
	case SHA256:
		return "sha256"
	case SHA512:
		return "sha512"
	}
	return fmt.Sprintf("hash-%d", uint8(a))
}

// String returns the name that a repository's meta.json uses, which ends in
// log2 of the block size: "fsverity-sha256-12" or "fsverity-sha512-12".
func (a Algorithm) String() string {
	return fmt.Sprintf("fsverity-%s-%d", a.Name(), BlockBits)
}

// ParseAlgorithm reads a name as String or Name gives it.
func ParseAlgorithm(s string) (Algorithm, error) {
	for _, a := range []Algorithm{SHA256, SHA512} {
		if s == a.String() || s == a.Name() {
			return a, nil
		}
	}
	return 0, fmt.Errorf("unknown fs-verity algorithm %q: want %s or %s, or in full %s or %s", s, SHA256.Name(), SHA512.Name(), SHA256, SHA512)
}

// ID is an fs-verity digest. It is comparable; the zero ID means none.
type ID struct {
	alg Algorithm
	sum [maxSize]byte
}

// ParseID reads an ID from 64 or 128 hex digits, which its length tells to be
// SHA-256 or SHA-512. Digits of either case are taken.
func ParseID(s string) (ID, error) {
	var id ID
	switch len(s) {
	case 2 * SHA256.Size():
		id.alg = SHA256
	case 2 * SHA512.Size():
		id.alg = SHA512
	default:
		return ID{}, fmt.Errorf("%q is not an fs-verity digest: want 64 or 128 hex digits", s)
	}
	if _, err := hex.Decode(id.sum[:], []byte(s)); err != nil {
		return ID{}, fmt.Errorf("%q is not an fs-verity digest: %w", s, err)
	}
	return id, nil
}

// MakeID returns the ID whose raw digest is sum. It panics if the length of sum
// is not a.Size(): callers cut digests at that length.
func (a Algorithm) MakeID(sum []byte) ID {
	if len(sum) != a.Size() {
		panic("verity: digest of a wrong length")
	}
	id := ID{alg: a}
	copy(id.sum[:], sum)
	return id
}

// IsZero reports whether there is no digest.
func (id ID) IsZero() bool { return id.alg == 0 }

// Algorithm returns the algorithm of the digest, 0 for the zero ID.
func (id ID) Algorithm() Algorithm { return id.alg }

// Bytes returns the raw digest, 32 or 64 bytes, nil for the zero ID.
func (id ID) Bytes() []byte {
	if id.IsZero() {
		return nil
	}
	return id.sum[:id.alg.Size()]
}

// Compare orders IDs by algorithm and digest, as cmp.Compare does.
func (id ID) Compare(other ID) int {
	if id.alg != other.alg {
		return cmp.Compare(id.alg, other.alg)
	}
	// Nearly all differ in the first bytes.
	if a, b := binary.BigEndian.Uint64(id.sum[:]), binary.BigEndian.Uint64(other.sum[:]); a != b {
		return cmp.Compare(a, b)
	}
	return bytes.Compare(id.sum[8:], other.sum[8:])
}

// String returns the digest in lower-case hex, "" for the zero ID.
func (id ID) String() string { return hex.EncodeToString(id.Bytes()) }

// ObjectPath returns where a repository keeps the object, relative to its
// objects directory, and where an overlay redirect points: "XX/YYYY...".
func (id ID) ObjectPath() string {
	s := id.String()
	return s[:2] + "/" + s[2:]
}

// ParseObjectPath finds the ID of an object from a path that ends in
// "XX/YYYY..." with the digits of an algorithm; anything may stand before it.
func ParseObjectPath(path string) (ID, bool) {
	for _, a := range []Algorithm{SHA512, SHA256} {
		n := 2*a.Size() + 1
		if len(path) < n {
			continue
		}
		tail := path[len(path)-n:]
		if tail[2] != '/' || len(path) > n && path[len(path)-n-1] != '/' {
			continue
		}
		if id, err := ParseID(tail[:2] + tail[3:]); err == nil {
			return id, true
		}
	}
	return ID{}, false
}

// ParseObjectName finds the ID of an object from the first byte of its digest and the name
// that it has in the folder of that: the other digits, in lower case.
func (a Algorithm) ParseObjectName(first byte, name []byte) (ID, bool) {
	id := ID{alg: a}
	if len(name) != 2*a.Size()-2 {
		return ID{}, false
	}
	id.sum[0] = first
	for i := range a.Size() - 1 {
		high, low := digits[name[2*i]], digits[name[2*i+1]]
		if high|low > 15 {
			return ID{}, false
		}
		id.sum[i+1] = high<<4 | low
	}
	return id, true
}

// digits are the values of the hex digits in lower case, 255 for all else.
var digits = func() (values [256]byte) {
	for c := range values {
		values[c] = byte(strings.IndexByte("0123456789abcdef", byte(c)))
	}
	return values
}()
