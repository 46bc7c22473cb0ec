package layer

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/splitstream"
	"cfs/lib/tarball"
	"cfs/lib/tolerance"
	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

const (
	whiteout = ".wh."         // begins the name of a member that removes another
	opaque   = ".wh..wh..opq" // removes all that is in the directory

	maxName   = 255  // bytes: NAME_MAX of limits.h
	maxTarget = 4095 // bytes: PATH_MAX of limits.h, less the NUL
)

// Merger makes the tree of a container's root file system from its layers.
type Merger struct {
	Xattrs variant.XattrMode
	Rules  *tolerance.Rules // what is tolerated; nil tolerates all of it
	Layer  string           // which is added, in warnings

	found  tolerance.Rules // what was tolerated so far
	member string          // that is applied

	root      *tree.Inode
	rootEntry bool // a layer had an entry for the root itself

	parents []string // room for those of a member
	walk    walk     // to its directory
}

// Add applies a layer, in the order of its members, on top of what there is.
func (g *Merger) Add(s *splitstream.Reader) error {
	if g.root == nil {
		g.root = tree.NewDir(0o755)
	}
	g.found.Strict, g.found.Where = g.Rules.IsStrict(), g.Layer
	r, err := NewReader(s)
	if err != nil {
		return err
	}
	for {
		m, object, inline, err := r.Next()
		if err == io.EOF {
			return g.note(r.tar.End, "")
		}
		if err == nil {
			if err = g.apply(m, object, inline); err != nil {
				err = fmt.Errorf("%q at byte %d: %w", m.Name, m.Offset, err)
			}
		}
		if err != nil {
			return err
		}
	}
}

// Tree returns the merged tree in the canonical form of container images. Only then Rules
// have what was tolerated.
func (g *Merger) Tree() (*tree.Inode, error) {
	if g.root == nil {
		g.root = tree.NewDir(0o755)
	}
	g.Rules.Merge(&g.found)
	return tree.Canonicalize(g.root, !g.rootEntry, g.Rules)
}

// apply does what one member says.
func (g *Merger) apply(m *tarball.Member, object verity.ID, inline string) error {
	g.member = m.Name
	if err := g.note(m.Read, m.Name); err != nil {
		return err
	}
	parents, name, err := splitPath(g.parents[:0], m.Name)
	if err != nil {
		return err
	}
	g.parents = parents
	var n *tree.Inode
	if m.Type == '1' {
		n, err = g.target(m.Link)
	} else {
		n, err = g.inode(m, object, inline)
	}
	if err != nil {
		return err
	}
	if name == "" {
		return g.setRoot(n)
	}
	if removed, ok := strings.CutPrefix(name, whiteout); ok {
		return g.remove(parents, name, removed)
	}
	dir, err := g.directory(parents, true)
	if err != nil {
		return err
	}
	put(dir, strings.Clone(name), n) // without all of its path
	return nil
}

// note notes in which ways a member, or the end of the archive, is read.
func (g *Merger) note(read tolerance.Set, name string) error {
	for k := range read.Kinds() {
		if err := g.found.Note(k, name); err != nil {
			return err
		}
	}
	return nil
}

// put names an inode. A directory on a directory keeps the entries.
func put(dir *tree.Inode, name string, n *tree.Inode) {
	if old := dir.Lookup(name); old != nil && old.IsDir() && n.IsDir() {
		n.TakeEntries(old)
	}
	dir.Put(name, n)
}

func (g *Merger) setRoot(n *tree.Inode) error {
	if !n.IsDir() {
		return corrupt.Errorf("the root must be a directory")
	}
	n.TakeEntries(g.root)
	g.root, g.rootEntry = n, true
	return nil
}

// remove does what a whiteout says. Where there is nothing, nothing is removed.
func (g *Merger) remove(parents []string, name, removed string) error {
	dir, err := g.directory(parents, false)
	if errors.Is(err, errMissing) {
		return g.found.Note(tolerance.MissingDirectory, g.member, err)
	}
	if err != nil {
		return err
	}
	if name == opaque {
		dir.Clear()
	} else {
		dir.Remove(removed)
	}
	return nil
}

// target finds the inode that a hard link is another name of.
func (g *Merger) target(link string) (*tree.Inode, error) {
	parents, name, err := splitPath(nil, link)
	if err == nil && name == "" {
		err = corrupt.Errorf("is no file")
	}
	var dir, n *tree.Inode
	if err == nil {
		dir, err = g.directory(parents, false)
	}
	if err == nil {
		n = dir.Lookup(name)
		switch {
		case n == nil:
			err = corrupt.Errorf("does not exist")
		case n.IsDir():
			err = corrupt.Errorf("is a directory")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("hard link to %q: %w", link, err)
	}
	return n, nil
}

// inode makes what a member describes.
func (g *Merger) inode(m *tarball.Member, object verity.ID, inline string) (*tree.Inode, error) {
	types := map[byte]uint32{
		0: unix.S_IFREG, '0': unix.S_IFREG, '7': unix.S_IFREG, '2': unix.S_IFLNK,
		'3': unix.S_IFCHR, '4': unix.S_IFBLK, '5': unix.S_IFDIR, '6': unix.S_IFIFO,
	}
	typ, ok := types[m.Type]
	if !ok {
		return nil, fmt.Errorf("members of type %q are not supported", m.Type)
	}
	n := &tree.Inode{Mode: typ | uint32(m.Mode&0o7777), UID: m.UID, GID: m.GID, Mtime: m.Mtime, Xattrs: g.keep(m.Xattrs)}
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
