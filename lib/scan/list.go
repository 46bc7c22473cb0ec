package scan

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// entry is a name in a directory. Of what type the others are is seen later: what
// the directory says of an entry is not true of a file mounted over it.
type entry struct {
	name string
	dir  bool
}

// Offsets in struct linux_dirent64, which getdents64(2) describes.
const (
	direntLen  = 16 // u16: of the whole record, in bytes
	direntType = 18 // u8: unix.DT_DIR and so on
	direntName = 19 // ends with a NUL
)

// openDir opens a directory that is an entry of parent, whose descriptor is fd, and
// reads its metadata.
func (r *reader) openDir(parent *dir, fd int, name string) (*dir, error) {
	d := &dir{parent: parent, name: name}
	var err error
	if d.fd, err = openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC); err != nil {
		return nil, parent.fail(name, "open", err)
	}
	if err := r.readDir(d); err != nil {
		unix.Close(d.fd)
		return nil, parent.fail(name, "read", err)
	}
	d.pending.Store(1)
	return d, nil
}

func (r *reader) readDir(d *dir) error {
	status := func(st *unix.Stat_t) error { return unix.Fstat(d.fd, st) }
	st, err := settled(status)
	if err != nil {
		return err
	}
	d.stamp = stampOf(&st)
	if d.inode, _, err = r.inode(&st); err != nil {
		return err
	}
	d.inode.Xattrs, err = r.xattrs(descriptor(d.fd))
	return unlessChanged(err, &st, status)
}

// list reads the names in a directory.
func (r *reader) list(d *dir) error {
	for {
		n, err := unix.Getdents(d.fd, r.buffer)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return err
		}
		for records := r.buffer[:n]; len(records) > direntName; {
			size := int(binary.NativeEndian.Uint16(records[direntLen:]))
			if size <= direntName || size > len(records) {
				return unix.EBADMSG
			}
			name, _, _ := bytes.Cut(records[direntName:size], []byte{0})
			typ := records[direntType]
			records = records[size:]
			if string(name) == "." || string(name) == ".." {
				continue
			}
			e := entry{string(name), typ == unix.DT_DIR}
			if typ == unix.DT_UNKNOWN { // some file systems do not say
				var st unix.Stat_t
				if err := fstatat(d.fd, e.name, &st); err != nil {
					return err
				}
				e.dir = st.Mode&unix.S_IFMT == unix.S_IFDIR
			}
			d.entries = append(d.entries, e)
		}
	}
}

func openat(dir int, name string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, flags, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

func fstatat(dir int, name string, st *unix.Stat_t) error {
	return unix.Fstatat(dir, name, st, unix.AT_SYMLINK_NOFOLLOW)
}
