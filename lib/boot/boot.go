// Package boot knows what of a container's file system is for booting it: the boot
// entries, and the kernel argument that names the image.
package boot

import (
	"io"

	"cfs/lib/tree"
)

// Content opens the content of a regular file that is not empty, whether it is inline
// or an object.
type Content func(*tree.Inode) (io.ReadCloser, error)
