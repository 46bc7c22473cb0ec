// Package erofs writes and reads composefs images: EROFS file systems that contain the metadata
// of a tree and name the content of its files as objects.
//
// Write produces the same bytes as both reference implementations, mkcomposefs and composefs-rs,
// so the fs-verity digest of an image is a function of the tree. An image has one of two layouts.
// E1, of formats V0 and V1, orders inodes breadth first, hides whiteouts from overlayfs and adds
// 256 whiteouts to the root for the names of object directories; E2, of V2, orders inodes depth
// first and stores whiteouts unchanged.
//
// Open and the readers trust no byte of an image. General EROFS images (compression, other block
// sizes, file data in blocks of the image) are not supported.
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
