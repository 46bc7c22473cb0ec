// Package tree is a file system in memory: read from a container's layers, a dumpfile or a
// directory, and written to an EROFS image.
//
// A tree is its root Inode. A hard link is the same *Inode under several names; link counts are
// computed from the names, never stored. The package knows no format and no store: the code that
// fills a tree checks its input.
package tree

import (
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"cfs/lib/verity"
)

// InlineMax is the largest size in bytes of a regular file whose content is
// kept in the metadata; the content of a larger one is an object of the
// repository. It is part of the composefs formats.
const InlineMax = 64

// Time is a time since 1970 in seconds and nanoseconds.
type Time struct {
	Sec  int64
	Nsec uint32 // below 1e9
}

// RFC3339 returns the time in UTC, in the form of RFC 3339 with as many digits as it needs.
func (t Time) RFC3339() string {
	return time.Unix(t.Sec, int64(t.Nsec)).UTC().Format(time.RFC3339Nano)
}

// Xattr is one extended attribute: full name and value, both any bytes.
type Xattr struct{ Name, Value string }

// Inode is a directory or a leaf: a regular file, a symbolic link, a device, a
// fifo or a socket. Which one the type bits of Mode tell.
type Inode struct {
	Mode     uint32 // as st_mode: type and permission bits
	UID, GID uint32
	Mark     uint32 // for who fills the tree; means nothing to others
	Mtime    Time
	Xattrs   []Xattr // sorted by Name, each name once

	Rdev    uint32 // of a device, as the kernel's new_encode_dev gives it
	Unnamed uint32 // names of a leaf that count as links, and are not in the tree
	Size    uint64 // of a regular file, in bytes

	// Content of a regular file of non-zero Size: Inline holds it, or Object
	// names it, or Payload is the object path of a file without a known digest
	// (a dumpfile can say so), or none is set: a sparse file of zeros.
	Inline  string
	Object  verity.ID
	Payload string

	Target string // of a symbolic link

	entries *entries // of a directory; nil for none
}

// Content opens the content of a regular file of a tree that is not empty, whether it
// is inline or an object. A tree does not have the bytes of its objects; who has it knows
// where they are.
type Content func(*Inode) (io.ReadCloser, error)

// NewDir returns an empty directory with the given permission bits, owner 0:0
// and time 0.
func NewDir(perm uint32) *Inode {
	return &Inode{Mode: unix.S_IFDIR | perm&07777}
}

// Type returns the type bits of the mode (unix.S_IFDIR and so on).
func (n *Inode) Type() uint32 { return n.Mode & unix.S_IFMT }

// IsDir reports whether n is a directory.
func (n *Inode) IsDir() bool { return n.Type() == unix.S_IFDIR }

// IsRegular reports whether n is a regular file.
func (n *Inode) IsRegular() bool { return n.Type() == unix.S_IFREG }

// IsSymlink reports whether n is a symbolic link.
func (n *Inode) IsSymlink() bool { return n.Type() == unix.S_IFLNK }

// IsWhiteout reports whether n is what overlayfs takes for a deleted file: a
// character device 0:0.
func (n *Inode) IsWhiteout() bool { return n.Type() == unix.S_IFCHR && n.Rdev == 0 }

// Xattr returns the value of an extended attribute, and whether there is one.
func (n *Inode) Xattr(name string) (string, bool) {
	i, ok := n.findXattr(name)
	if !ok {
		return "", false
	}
	return n.Xattrs[i].Value, true
}

// SetXattr adds or replaces an extended attribute, keeping the order.
func (n *Inode) SetXattr(name, value string) {
	i, ok := n.findXattr(name)
	if ok {
		n.Xattrs[i].Value = value
		return
	}
	n.Xattrs = slices.Insert(n.Xattrs, i, Xattr{name, value})
}

func (n *Inode) findXattr(name string) (int, bool) {
	return slices.BinarySearchFunc(n.Xattrs, name, func(x Xattr, name string) int {
		return strings.Compare(x.Name, name)
	})
}

// Walk gives the path and the inode of each name below and with root, depth
// first: a directory, then its entries in byte order, each with all below it.
// The root's path is "/". A hard link comes once for each of its names.
func Walk(root *Inode) iter.Seq2[string, *Inode] {
	return func(yield func(string, *Inode) bool) {
		w := walker{yield: yield}
		w.walk(root)
	}
}

// walker has the path of where a walk is once, for a deep tree would take the square of
// its depth otherwise.
type walker struct {
	path  []byte // "" for the root
	yield func(string, *Inode) bool
}

func (w *walker) walk(n *Inode) bool {
	path := "/"
	if len(w.path) > 0 {
		path = string(w.path)
	}
	if !w.yield(path, n) {
		return false
	}
	if !n.IsDir() {
		return true
	}
	end := len(w.path)
	for _, e := range n.Entries() {
		w.path = append(append(w.path[:end], '/'), e.Name...)
		if !w.walk(e.Inode) {
			return false
		}
	}
	return true
}

// Count returns how many names Walk gives.
func Count(root *Inode) int {
	count := 1
	for n := range root.entries.inodes() {
		if n.IsDir() {
			count += Count(n)
		} else {
			count++
		}
	}
	return count
}

// CountDirs returns how many of the names that Walk gives are directories.
func CountDirs(root *Inode) int {
	count := 1
	for n := range root.entries.inodes() {
		if n.IsDir() {
			count += CountDirs(n)
		}
	}
	return count
}

// Links counts the names of each leaf that has more than one.
func Links(root *Inode) map[*Inode]uint32 {
	seen := make(map[*Inode]struct{})
	links := make(map[*Inode]uint32)
	countLinks(root, seen, links)
	return links
}

func countLinks(dir *Inode, seen map[*Inode]struct{}, links map[*Inode]uint32) {
	for n := range dir.entries.inodes() {
		if n.IsDir() {
			countLinks(n, seen, links)
		} else if _, again := seen[n]; !again {
			seen[n] = struct{}{}
		} else {
			links[n] = max(links[n], 1) + 1
		}
	}
}
