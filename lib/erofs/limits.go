package erofs

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"cfs/lib/tree"
	"cfs/lib/variant"
)

const (
	maxPayload = 4095  // of a regular file, in bytes: PATH_MAX less the NUL
	maxValue   = 65535 // of an xattr: its size is a u16
	maxSuffix  = 255   // of an xattr's name: its length is a u8

	// maxSizeE1 is the largest external file that E1 can hold: maxChunks of
	// 8 TiB.
	maxSizeE1 = maxChunks << (maxChunkFormat + blockBits)

	// maxXattrsE1 bounds what mkcomposefs counts for the xattrs of an inode:
	// LCFS_INODE_XATTRMETA_SIZE_MAX.
	maxXattrsE1 = 32767
)

// maxInline returns the largest content of a regular file that an image holds,
// and that one can have: mkcomposefs writes, and composefs-rs reads so much.
func maxInline(v variant.Format) uint64 {
	if v == variant.V2 {
		return 512
	}
	return 5000
}

// maxTarget returns the length of the longest target of a symbolic link.
func maxTarget(v variant.Format) uint64 {
	if v == variant.V2 {
		return 1024
	}
	return 4095
}

// isExternal reports whether the content of a regular file is not in the image.
func isExternal(n *tree.Inode) bool {
	return n.Inline == "" && (n.Size > 0 || n.Payload != "" || !n.Object.IsZero())
}

func checkName(name string) error {
	switch {
	case name == "" || name == "." || name == "..":
		return errors.New("no name for an entry")
	case len(name) > maxName:
		return fmt.Errorf("a name of %d bytes, more than %d", len(name), maxName)
	case strings.IndexByte(name, '/') >= 0 || strings.IndexByte(name, 0) >= 0:
		return errors.New("a slash or a NUL in a name")
	}
	return nil
}

// checkInode checks that an image can hold n.
func checkInode(v variant.Format, n *tree.Inode) error {
	if n.Mode>>16 != 0 || fileTypes[n.Type()>>modeShift] == 0 {
		return fmt.Errorf("unknown file type in mode %o", n.Mode)
	}
	if n.Mtime.Nsec >= 1e9 {
		return fmt.Errorf("a time with %d nanoseconds", n.Mtime.Nsec)
	}
	if err := checkXattrs(v, n.Xattrs); err != nil {
		return err
	}
	switch n.Type() {
	case unix.S_IFREG:
		return checkFile(v, n)
	case unix.S_IFLNK:
		return checkTarget(v, n.Target)
	}
	return nil
}

func checkFile(v variant.Format, n *tree.Inode) error {
	if !isExternal(n) {
		switch {
		case !n.Object.IsZero() || n.Payload != "":
			return errors.New("a file with content and with an object")
		case uint64(len(n.Inline)) != n.Size:
			return fmt.Errorf("a file of %d bytes with %d bytes of content", n.Size, len(n.Inline))
		case n.Size > maxInline(v):
			return fmt.Errorf("%d bytes of content, more than version %d can hold: %d", n.Size, v, maxInline(v))
		}
		return nil
	}
	switch {
	case v != variant.V2 && n.Size > maxSizeE1:
		return fmt.Errorf("a file of %d bytes, more than version %d can hold: %d", n.Size, v, uint64(maxSizeE1))
	case len(n.Payload) > maxPayload:
		return fmt.Errorf("an object path of %d bytes, more than %d", len(n.Payload), maxPayload)
	case strings.IndexByte(n.Payload, 0) >= 0:
		return errors.New("a NUL in an object path")
	}
	return nil
}

func checkTarget(v variant.Format, target string) error {
	switch {
	case uint64(len(target)) > maxTarget(v):
		return fmt.Errorf("a target of %d bytes, more than version %d can hold: %d", len(target), v, maxTarget(v))
	case strings.IndexByte(target, 0) >= 0:
		return errors.New("a NUL in the target of a symbolic link")
	}
	return nil
}

// checkXattrs checks the xattrs of an inode, before the overlay's names come.
func checkXattrs(v variant.Format, list []tree.Xattr) error {
	sum := xattrBlockSize
	for i, x := range list {
		suffix := len(x.Name) - len(xattrPrefixes[xattrIndex(v, x.Name)])
		if strings.HasPrefix(x.Name, overlayPrefix) {
			suffix += len(escapedPrefix) - len(overlayPrefix)
		}
		switch {
		case x.Name == "" || strings.IndexByte(x.Name, 0) >= 0:
			return fmt.Errorf("xattr %q: no name for an xattr", x.Name)
		case suffix > maxSuffix:
			return fmt.Errorf("xattr %.80q…: a name of %d bytes", x.Name, len(x.Name))
		case len(x.Value) > maxValue:
			return fmt.Errorf("xattr %q: a value of %d bytes, more than %d", x.Name, len(x.Value), maxValue)
		case i > 0 && list[i-1].Name >= x.Name:
			return fmt.Errorf("xattr %q: out of order or twice", x.Name)
		}
		// What mkcomposefs counts: the entry, its padding at the worst, the name
		// with its prefix, the value.
		sum += xattrEntrySize + xattrUnit - 1 + len(x.Name) + len(x.Value)
	}
	if v != variant.V2 && sum > maxXattrsE1 {
		return fmt.Errorf("%d bytes of xattrs, more than version %d can hold: %d", sum, v, maxXattrsE1)
	}
	return nil
}
