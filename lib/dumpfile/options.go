package dumpfile

import "math"

// Layout is one of the two layouts of an image, which differ in what they can
// hold. The zero Layout has the limits of both together.
type Layout uint8

const (
	E1 Layout = 1 // image formats 0 and 1
	E2 Layout = 2 // image format 2
)

// limits are the limits that depend on the layout.
type limits struct {
	content int    // bytes of CONTENT
	target  int    // bytes of the target of a symbolic link
	size    uint64 // bytes of a file: 1024 chunks of 8 TiB in E1
	xattrs  int    // bytes of an inode's xattrs: 12, and 7 for each besides its text
}

var layoutLimits = [...]limits{
	0:  {5000, 4095, math.MaxUint64, math.MaxInt},
	E1: {5000, 4095, 1 << 53, 32767},
	E2: {512, 1024, math.MaxUint64, math.MaxInt},
}

// Options changes what Read accepts.
type Options struct {
	// Compat accepts dumpfiles that were made for mkcomposefs, for images of
	// layout E1: PAYLOAD, CONTENT and DIGEST may be missing at the end of a
	// line; RDEV, CONTENT and DIGEST are ignored where the type has none; an
	// empty file's PAYLOAD is ignored. A PAYLOAD that is not the object path of
	// the DIGEST becomes the inode's Payload, also beside an Object: the
	// redirect of the file is then "/" and that text, and not made from the
	// digest.
	Compat bool

	// Layout refuses what this layout of an image cannot hold.
	Layout Layout

	// MatchDigest refuses a PAYLOAD that does not end in the object path of the
	// DIGEST beside it. Without it such a PAYLOAD is ignored, as the reference
	// does. It changes nothing with Compat.
	MatchDigest bool
}
