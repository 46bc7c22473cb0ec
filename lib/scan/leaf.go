package scan

import (
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"cfs/lib/tree"
)

// reader is what each goroutine has for itself.
type reader struct {
	*scanner
	buffer  []byte            // 64 KiB: names in a directory, xattrs, the target of a symbolic link
	strings map[string]string // of xattrs, each kept once
}

// bufferSize is XATTR_SIZE_MAX and XATTR_LIST_MAX of limits.h, and more than
// PATH_MAX.
const bufferSize = 64 << 10

func (s *scanner) newReader() *reader {
	return &reader{scanner: s, buffer: make([]byte, bufferSize), strings: make(map[string]string)}
}

// leaf reads an entry that is not a directory. It returns nil for one to be left out.
func (r *reader) leaf(d *dir, name string) (*tree.Inode, error) {
	status := func(st *unix.Stat_t) error { return fstatat(d.fd, name, st) }
	before, err := settled(status)
	if err != nil {
		return nil, d.fail(name, "stat", err)
	}
	typ := before.Mode & unix.S_IFMT
	if r.SkipDevices && (typ == unix.S_IFCHR || typ == unix.S_IFBLK) {
		return nil, nil
	}
	n, again, err := r.inode(&before)
	switch {
	case err != nil || again:
	case typ == unix.S_IFDIR:
		err = ErrChanged
	case typ == unix.S_IFREG:
		err = r.regular(n, d.fd, name, &before)
	default:
		err = unlessChanged(r.special(n, d.fd, name, &before), &before, status)
	}
	if err != nil {
		return nil, d.fail(name, "read", err)
	}
	return n, nil
}

// regular reads a regular file. Should there be a fifo by now, nobody waits for its
// writer.
func (r *reader) regular(n *tree.Inode, dir int, name string, before *unix.Stat_t) error {
	fd, err := openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	n.Size = uint64(before.Size)
	n.Xattrs, err = r.xattrs(descriptor(fd))
	if err == nil {
		err = r.content(n, &File{Size: before.Size, fd: fd})
	}
	return unlessChanged(err, before, func(st *unix.Stat_t) error { return unix.Fstat(fd, st) })
}

// content reads what is in a file, to its very end.
func (r *reader) content(n *tree.Inode, f *File) error {
	var err error
	if f.Size <= tree.InlineMax {
		data := r.buffer[:f.Size]
		_, err = io.ReadFull(f, data)
		n.Inline = string(data)
	} else {
		n.Object, err = r.Put(f)
	}
	if err != nil {
		return err
	}
	more, err := unix.Pread(f.fd, r.buffer[:1], f.Size)
	if err == nil && more > 0 {
		err = fmt.Errorf("it contains more than the %d bytes of its size", f.Size)
	}
	return err
}

// special reads a symbolic link, a device, a fifo or a socket, without opening it.
func (r *reader) special(n *tree.Inode, dir int, name string, st *unix.Stat_t) (err error) {
	switch n.Type() {
	case unix.S_IFCHR, unix.S_IFBLK:
		n.Rdev = uint32(st.Rdev) // 12 bits of major and 20 of minor
	case unix.S_IFLNK:
		size, err := unix.Readlinkat(dir, name, r.buffer)
		if err != nil {
			return err
		}
		n.Target = string(r.buffer[:size])
	}
	n.Xattrs, err = r.xattrs(noFollow(fmt.Sprintf("/proc/self/fd/%d/%s", dir, name)))
	return err
}

// File is a regular file that is being read.
type File struct {
	Size int64 // in bytes
	fd   int
}

// Read reads from where the last Read ended.
func (f *File) Read(data []byte) (int, error) {
	for {
		n, err := unix.Read(f.fd, data)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return 0, err
		case n == 0 && len(data) > 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

// Fd returns the file's descriptor, which is open for reading until Put returns.
func (f *File) Fd() int { return f.fd }
