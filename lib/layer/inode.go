package layer

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/tarball"
	"cfs/lib/tolerance"
	"cfs/lib/tree"
	"cfs/lib/verity"
)

// maxTarget is the size of a symbolic link's target in bytes: PATH_MAX of limits.h, less
// the NUL.
const maxTarget = 4095

// inode returns what a member gives a name to.
func (g *Merger) inode(m *tarball.Member, object verity.ID, inline string) (*tree.Inode, error) {
	if m.Type != '1' {
		return g.newInode(m, object, inline)
	}
	n, err := g.target(m.Link)
	if err != nil {
		return nil, fmt.Errorf("hard link to %q: %w", m.Link, err)
	}
	if n.IsWhiteout() {
		// Overlayfs has whiteouts that are links of each other, an image cannot.
		if err := g.found.Note(tolerance.WhiteoutName, m.Name); err != nil {
			return nil, err
		}
		n = &tree.Inode{Mode: n.Mode, UID: n.UID, GID: n.GID, Mtime: n.Mtime, Xattrs: slices.Clone(n.Xattrs)}
		g.mark(n, own)
	}
	return n, nil
}

// target finds the inode that a hard link is another name of.
func (g *Merger) target(link string) (*tree.Inode, error) {
	parents, name, err := splitPath(nil, link)
	if err != nil {
		return nil, err
	}
	if name == "" {
		return nil, corrupt.Errorf("is not a file")
	}
	if isMetadata(parents) {
		if err := g.found.Note(tolerance.MetadataLink, g.member); err != nil {
			return nil, err
		}
	}
	dir, err := g.directory(parents, false)
	if err != nil {
		return nil, err
	}
	n := dir.Lookup(name)
	switch {
	case n == nil:
		return nil, corrupt.Errorf("does not exist")
	case n.IsDir():
		return nil, corrupt.Errorf("is a directory")
	}
	return n, nil
}

// newInode makes what a member describes.
func (g *Merger) newInode(m *tarball.Member, object verity.ID, inline string) (*tree.Inode, error) {
	types := map[byte]uint32{
		0: unix.S_IFREG, '0': unix.S_IFREG, '7': unix.S_IFREG, '2': unix.S_IFLNK,
		'3': unix.S_IFCHR, '4': unix.S_IFBLK, '5': unix.S_IFDIR, '6': unix.S_IFIFO,
	}
	typ, ok := types[m.Type]
	if !ok {
		return nil, fmt.Errorf("members of type %q are not supported", m.Type)
	}
	n := &tree.Inode{Mode: typ | uint32(m.Mode&0o7777), UID: m.UID, GID: m.GID, Mtime: m.Mtime, Xattrs: g.keep(m.Xattrs)}
	g.mark(n, own)
	switch typ {
	case unix.S_IFREG:
		n.Size, n.Object, n.Inline = m.Size, object, inline
	case unix.S_IFLNK:
		if len(m.Link) > maxTarget || strings.Contains(m.Link, "\x00") {
			return nil, corrupt.Errorf("symbolic link to %d bytes, or with a NUL in them", len(m.Link))
		}
		n.Target = m.Link
	case unix.S_IFCHR, unix.S_IFBLK:
		if !m.Device {
			return nil, corrupt.Errorf("device without numbers")
		}
		if m.Major > 0xfff || m.Minor > 0xfffff {
			return nil, corrupt.Errorf("device numbers %d:%d are too large", m.Major, m.Minor)
		}
		n.Rdev = encodeDevice(uint32(m.Major), uint32(m.Minor))
	}
	return n, nil
}

// keep returns those of the extended attributes that the tree keeps.
func (g *Merger) keep(all []tree.Xattr) []tree.Xattr {
	return slices.DeleteFunc(all, func(a tree.Xattr) bool { return !g.Xattrs.Keeps(a.Name) })
}

// encodeDevice packs device numbers as the kernel's new_encode_dev does
// (include/linux/kdev_t.h).
func encodeDevice(major, minor uint32) uint32 {
	return minor&0xff | major<<8 | minor&^0xff<<12
}
