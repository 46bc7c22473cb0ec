// Package splitstream reads and writes splitstreams: a byte stream, split into
// literal bytes and references to objects of a repository, with additional named
// references to other objects. A layer is stored as one, so that the exact tar can
// be restored; a config or manifest is one that refers to its JSON.
//
// The file is a header, an info block and four sections: stream refs (the
// digests that names refer to), object refs (the digests that the stream refers
// to), named refs and the stream, the last two compressed with zstd. The
// content of objects is handled by the store.
package splitstream

import (
	"encoding/binary"

	"cfs/lib/verity"
)

// Version is the version of the format, the only one that is read or written.
const Version = 0

// All integers are little-endian.
const (
	magic      = "SplitStream"
	headerSize = 32
	infoSize   = 80
)

// Offsets in the header.
const (
	offMagic     = 0  // 11 bytes
	offVersion   = 11 // u8
	offAlgorithm = 14 // u8; flags, u16 at 12, are written as 0 and not read
	offBlockBits = 15 // u8
	offInfo      = 16 // start and end of the info block, u64 each
)

// Offsets in the header as it was written before its layout was fixed (bootc up
// to 1.15): the same fields in another order. Nobody writes it any more.
const (
	offOldInfo      = 0
	offOldMagic     = 18
	offOldVersion   = 29
	offOldAlgorithm = 30
	offOldBlockBits = 31
)

// Offsets in the info block. A section is its start and end, u64 each.
const (
	offStreamRefs  = 0
	offObjectRefs  = 16
	offStream      = 32
	offNamedRefs   = 48
	offContentType = 64
	offStreamSize  = 72
)

// section is a part of the file.
type section struct {
	bounds int // where its start and end stand in the info block
	name   string
}

var (
	streamRefs = section{offStreamRefs, "stream refs"}
	objectRefs = section{offObjectRefs, "object refs"}
	namedRefs  = section{offNamedRefs, "named refs"}
	stream     = section{offStream, "stream"}
)

// MaxSize is the size in bytes up to which a stream is read, and so the most
// that its tables of digests can take in memory.
const MaxSize = 1 << 32

// maxNamedRefs bounds the decompressed table of names, which is read as a whole:
// some 100,000 references.
const maxNamedRefs = 16 << 20

// zstdWindow is the largest window that a section may ask for: what RFC 8878,
// section 3.1.1.1.2, wants every decoder to support. Writers use 2 MiB.
const zstdWindow = 8 << 20

// emptyFrame is no data as libzstd compresses it in one step (RFC 8878, 3.1.1): what
// stands in every stream without named refs.
const emptyFrame = "\x28\xb5\x2f\xfd\x20\x00\x01\x00\x00"

// ContentType tells what a stream is; its 8 bytes are ASCII, first byte lowest.
type ContentType uint64

const (
	Layer    ContentType = 0x726579616c69636f // "ocilayer": a tar
	Config   ContentType = 0x67666e6f6369636f // "ociconfg"
	Manifest ContentType = 0x66696e616d69636f // "ocimanif"
	Blob     ContentType = 0x626f6c625f69636f // "oci_blob": any other blob
)

// String returns the 8 characters.
func (t ContentType) String() string {
	return string(binary.LittleEndian.AppendUint64(nil, uint64(t)))
}

// Ref is a named reference from a stream to an object.
type Ref struct {
	Name string
	ID   verity.ID
}
