package erofs

import (
	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/tree"
	"cfs/lib/variant"
)

// reader makes inodes of a tree from those of an image.
type reader struct {
	walker
	strings map[string]string     // those that many inodes have
	shared  map[uint64]tree.Xattr // by offset, names not yet unescaped
	list    []tree.Xattr          // scratch
	name    []byte                // scratch
}

func newReader(img *Reader) *reader {
	return &reader{
		walker:  newWalker(img),
		strings: make(map[string]string),
		shared:  make(map[uint64]tree.Xattr),
	}
}

// intern returns b as a string, the same one for the same bytes.
func (r *reader) intern(b []byte) string {
	if s, ok := r.strings[string(b)]; ok {
		return s
	}
	s := string(b)
	r.strings[s] = s
	return s
}

// xattrName returns the full name of an xattr. A shared one is paid for when it
// is met first.
func (r *reader) xattrName(x *storedXattr) (string, error) {
	if s, ok := r.shared[x.shared]; ok && x.shared != 0 {
		return s.Name, nil
	}
	r.name = append(append(r.name[:0], xattrPrefixes[x.index]...), x.suffix...)
	name := r.intern(r.name)
	if x.shared == 0 {
		return name, nil
	}
	r.shared[x.shared] = tree.Xattr{Name: name, Value: string(x.value)}
	return name, r.spend(x.size())
}

func (r *reader) xattrValue(x *storedXattr) string {
	if x.shared != 0 {
		return r.shared[x.shared].Value
	}
	return string(x.value)
}

// read makes what the tree has for an inode, without its entries.
func (r *reader) read(in *inode) (*tree.Inode, xattrSet, error) {
	set, err := r.readXattrs(in)
	if err != nil {
		return nil, set, err
	}
	n := &tree.Inode{
		Mode: uint32(in.mode),
		UID:  in.uid, GID: in.gid,
		Mtime:  in.mtime,
		Xattrs: set.list,
	}
	switch in.fileType() {
	case unix.S_IFCHR, unix.S_IFBLK:
		n.Rdev = in.u
	case unix.S_IFLNK:
		n.Target, err = r.readTarget(in)
	case unix.S_IFREG:
		if set.whiteout && r.img.format != variant.V2 {
			n.Mode = unix.S_IFCHR | n.Mode&0o7777
		} else {
			err = r.readFile(n, in, &set)
		}
	}
	if n.IsWhiteout() && in.links > 1 {
		return nil, set, corrupt.Errorf("offset %d: a whiteout with %d names", in.offset(), in.links)
	}
	return n, set, err
}

func (r *reader) readTarget(in *inode) (string, error) {
	target, err := in.content(maxTarget(r.img.format))
	if err != nil {
		return "", err
	}
	if err := checkTarget(r.img.format, target); err != nil {
		return "", corrupt.Errorf("offset %d: %w", in.offset(), err)
	}
	return target, nil
}

// readFile reads where the content of a regular file is.
func (r *reader) readFile(n *tree.Inode, in *inode, set *xattrSet) error {
	c, err := r.img.fileContent(in, set.overlayXattrs)
	n.Size, n.Inline, n.Object, n.Payload = c.Size, c.Inline, c.Object, r.intern([]byte(c.Path))
	return err
}
