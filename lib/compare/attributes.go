package compare

import (
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"cfs/lib/tree"
	"cfs/lib/verity"
)

// attribute is one of those that an inode has, apart from xattrs.
type attribute struct {
	name string
	has  func(*tree.Inode) bool // whether an inode of this type has it
	same func(a, b *tree.Inode) bool
	show func(n, other *tree.Inode) Value
}

var attributes = []attribute{
	{Type, always, sameType, func(n, _ *tree.Inode) Value { return text(typeName(n)) }},
	{Mode, always, sameMode, func(n, _ *tree.Inode) Value { return text(strconv.FormatUint(uint64(n.Mode), 8)) }},
	{Owner, always, sameOwner, func(n, _ *tree.Inode) Value { return text(fmt.Sprintf("%d:%d", n.UID, n.GID)) }},
	{Mtime, always, sameMtime, func(n, _ *tree.Inode) Value { return text(fmt.Sprintf("%d.%d", n.Mtime.Sec, n.Mtime.Nsec)) }},
	{Rdev, isDevice, sameRdev, func(n, _ *tree.Inode) Value { return text(strconv.FormatUint(uint64(n.Rdev), 10)) }},
	{Size, (*tree.Inode).IsRegular, sameSize, func(n, _ *tree.Inode) Value { return text(strconv.FormatUint(n.Size, 10)) }},
	{Target, (*tree.Inode).IsSymlink, sameTarget, func(n, _ *tree.Inode) Value { return text(n.Target) }},
	{Content, (*tree.Inode).IsRegular, sameContent, content},
	{Payload, (*tree.Inode).IsRegular, samePayload, func(n, _ *tree.Inode) Value { return payload(n) }},
}

// attributes compares two inodes. One that only one of the types has is not told of:
// the types are.
func (c *comparer) attributes(a, b *tree.Inode) error {
	for i := range attributes {
		t := &attributes[i]
		if !t.has(a) || !t.has(b) || t.same(a, b) {
			continue
		}
		if err := c.differ(t.name, "", t.show(a, b), t.show(b, a)); err != nil {
			return err
		}
	}
	return nil
}

func always(*tree.Inode) bool { return true }

func isDevice(n *tree.Inode) bool { return n.Type() == unix.S_IFCHR || n.Type() == unix.S_IFBLK }

func sameType(a, b *tree.Inode) bool   { return a.Type() == b.Type() }
func sameOwner(a, b *tree.Inode) bool  { return a.UID == b.UID && a.GID == b.GID }
func sameMtime(a, b *tree.Inode) bool  { return a.Mtime == b.Mtime }
func sameRdev(a, b *tree.Inode) bool   { return a.Rdev == b.Rdev }
func sameSize(a, b *tree.Inode) bool   { return a.Size == b.Size }
func sameTarget(a, b *tree.Inode) bool { return a.Target == b.Target }

// sameMode compares what is not said by the types.
func sameMode(a, b *tree.Inode) bool { return a.Mode&^unix.S_IFMT == b.Mode&^unix.S_IFMT }

// sameContent compares what makes up Content.
func sameContent(a, b *tree.Inode) bool {
	return a.Object == b.Object && a.Inline == b.Inline && (!a.Object.IsZero() || a.Payload == b.Payload)
}

func samePayload(a, b *tree.Inode) bool { return payload(a) == payload(b) }

// content returns the Content of a regular file. What is inline is hashed as the
// other file's content is, so that the same content is seen to be the same.
func content(n, other *tree.Inode) Value {
	switch {
	case !n.Object.IsZero():
		return text(n.Object.String())
	case n.Payload != "":
		return text("path:" + n.Payload)
	case n.Inline == "":
		return Value{}
	}
	alg := verity.SHA256
	if !other.Object.IsZero() {
		alg = other.Object.Algorithm()
	}
	return text("inline:" + alg.Sum([]byte(n.Inline)).String())
}

// payload returns the Payload of a regular file.
func payload(n *tree.Inode) Value {
	if n.Object.IsZero() || n.Payload == "" || n.Payload == n.Object.ObjectPath() {
		return Value{}
	}
	return text(n.Payload)
}

// typeName returns the word for the type of an inode.
func typeName(n *tree.Inode) string {
	switch {
	case n.IsDir():
		return "directory"
	case n.IsRegular():
		return "file"
	case n.IsSymlink():
		return "symlink"
	case n.IsWhiteout():
		return "whiteout"
	case n.Type() == unix.S_IFCHR:
		return "chardev"
	case n.Type() == unix.S_IFBLK:
		return "blockdev"
	case n.Type() == unix.S_IFIFO:
		return "fifo"
	case n.Type() == unix.S_IFSOCK:
		return "socket"
	}
	return "unknown"
}
