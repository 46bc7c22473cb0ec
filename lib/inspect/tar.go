package inspect

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"cfs/lib/tree"
)

// Tar writes the tree of the image that an operand names as a tar, always the same bytes: the root first, names
// in byte order, each header in PAX form with times to the nanosecond and extended attributes (SCHILY.xattr), later
// names of an inode as hard links. Contents that the image does not hold come from the repository. What a tar
// cannot hold, such as a socket, is an error.
func (o Operands) Tar(w io.Writer, name string) error {
	image, err := o.EROFS(name)
	if err != nil {
		return err
	}
	root, err := image.Tree()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	out := bufio.NewWriterSize(w, 1<<20)
	t := archive{tar.NewWriter(out), make(map[*tree.Inode]string), contents{open: o.OpenRepo}}
	for path, n := range tree.Walk(root) {
		if err = t.add(path, n); err != nil {
			err = fmt.Errorf("%s: %q: %w", name, path, err)
			break
		}
	}
	if err == nil {
		err = errors.Join(t.Close(), out.Flush())
	}
	return errors.Join(err, t.contents.close())
}

// archive is a tar that is being written.
type archive struct {
	*tar.Writer
	first    map[*tree.Inode]string // the first names of inodes that can have several
	contents contents
}

// add writes a member.
func (t *archive) add(path string, n *tree.Inode) error {
	h := &tar.Header{Name: path[1:], Mode: int64(n.Mode & 0o7777), Uid: int(n.UID), Gid: int(n.GID),
		ModTime: time.Unix(n.Mtime.Sec, int64(n.Mtime.Nsec)), PAXRecords: make(map[string]string), Format: tar.FormatPAX}
	if n.IsDir() {
		h.Name += "/"
	} else if target, ok := t.first[n]; ok {
		return t.WriteHeader(&tar.Header{Typeflag: tar.TypeLink, Name: h.Name, Linkname: target, Mode: h.Mode, Uid: h.Uid, Gid: h.Gid, ModTime: h.ModTime, Format: tar.FormatPAX})
	} else {
		t.first[n] = h.Name
	}
	for _, x := range n.Xattrs {
		h.PAXRecords["SCHILY.xattr."+x.Name] = x.Value
	}
	if err := describe(h, n); err != nil {
		return err
	}
	if err := t.WriteHeader(h); err != nil || h.Size == 0 {
		return err
	}
	return t.contents.write(t, n)
}

// describe notes in a header what an inode is.
func describe(h *tar.Header, n *tree.Inode) error {
	switch n.Type() {
	case unix.S_IFREG:
		h.Typeflag, h.Size = tar.TypeReg, int64(n.Size)
	case unix.S_IFDIR:
		h.Typeflag = tar.TypeDir
		if h.Name == "/" {
			h.Name = "./"
		}
	case unix.S_IFLNK:
		h.Typeflag, h.Linkname = tar.TypeSymlink, n.Target
	case unix.S_IFIFO:
		h.Typeflag = tar.TypeFifo
	case unix.S_IFCHR, unix.S_IFBLK:
		h.Typeflag = tar.TypeChar
		if n.Type() == unix.S_IFBLK {
			h.Typeflag = tar.TypeBlock
		}
		h.Devmajor, h.Devminor = int64(unix.Major(uint64(n.Rdev))), int64(unix.Minor(uint64(n.Rdev)))
	default:
		return errors.New("a tar cannot hold a socket")
	}
	return nil
}
