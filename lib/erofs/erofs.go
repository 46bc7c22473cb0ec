// Package erofs writes and reads composefs images: EROFS file systems that hold
// the metadata of a tree and name the content of its files as objects.
//
// Write makes the bytes that both reference implementations make, mkcomposefs
// and composefs-rs, so that the fs-verity digest of an image is a function of
// the tree. An image has one of two layouts. E1, of the formats V0 and V1, lists the
// inodes breadth first, hides whiteouts from overlayfs and gives the root 256
// whiteouts for names that objects have; E2, of V2, lists them depth
// first and stores them as they are.
//
// Open and what follows it trust no byte of an image. EROFS images in general
// (compression, other block sizes, content inside) are not read.
package erofs

import (
	"cfs/lib/tree"
	"cfs/lib/variant"
)

// Auto returns the format that mkcomposefs takes by itself: V1 for a tree that
// holds a whiteout, else V0.
func Auto(root *tree.Inode) variant.Format {
	for _, n := range tree.Walk(root) {
		if n.IsWhiteout() {
			return variant.V1
		}
	}
	return variant.V0
}
