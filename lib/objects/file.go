package objects

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/fd"
	"cfs/lib/verity"
)

// ErrNotRegular means that what has the name of an object is a directory, a link, a device
// or the like. It comes marked as corrupt.
var ErrNotRegular = fd.ErrNotRegular

// File is an object that is open for reading.
//
// A read that is refused, as by a bad sector or by fs-verity, is tried once more, and so is an open
// that is refused because the file system or fs-verity finds its own data about the file wrong. If it is
// refused again the error is one of corrupt.Unreadable: the object is damaged, though
// nobody has seen its bytes. All other errors say nothing about the object.
type File struct {
	file *os.File
	id   verity.ID
	size int64
}

// Open opens an object for reading. The error wraps fs.ErrNotExist if there is no such
// object, and is marked as corrupt if it is not a regular file. In a secure store the object is
// measured first: the error is marked as corrupt if it is not protected, or its digest is
// not its name. In others its content is not looked at.
func (s *Store) Open(id verity.ID) (*File, error) {
	f, err := s.open(id)
	if err != nil {
		return nil, s.failObject(id, err)
	}
	return f, nil
}

func (s *Store) open(id verity.ID) (*File, error) {
	f := &File{id: id}
	err := s.openFile(f)
	if isUnclean(err) {
		err = s.openFile(f)
	}
	switch {
	case isUnclean(err):
		return nil, corrupt.Unreadable(err)
	case err == unix.ELOOP, err == unix.ENXIO: // a link, a socket
		return nil, corrupt.Errorf("%w", ErrNotRegular)
	case err != nil:
		return nil, absent(err)
	}
	if f.size, err = regular(f.file); err == nil && s.config.Secure {
		err = verity.Check(f.file, id)
	}
	if err != nil {
		return nil, errors.Join(err, f.file.Close())
	}
	return f, nil
}

func (s *Store) openFile(f *File) error {
	return s.use(s.folder(f.id), func(dir int) error {
		n, err := unix.Openat(dir, base(f.id), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
		if err == nil {
			f.file = os.NewFile(uintptr(n), s.root.Name()+"/"+s.path(f.id))
		}
		return err
	})
}

// isUnclean reports whether an error of an open is how the kernel says that a file is damaged: a
// power cut can leave one that fs-verity protects without the digests that belong to it (Linux,
// fs/verity/open.c and fs/ext4/verity.c).
func isUnclean(err error) bool { return err == unix.EUCLEAN || err == unix.EBADMSG }

// absent returns the error for an object that the kernel does not find: one that has a
// file in the place of its folder is missing as well.
func absent(err error) error {
	if err == unix.ENOTDIR {
		return unix.ENOENT
	}
	return err
}

// regular returns the size of a regular file.
func regular(f *os.File) (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, cause(err)
	}
	if !st.Mode().IsRegular() {
		return 0, corrupt.Errorf("%w", ErrNotRegular)
	}
	return st.Size(), nil
}

// Size returns the size of the object in bytes.
func (f *File) Size() int64 { return f.size }

// File returns the open file, for the kernel to read.
func (f *File) File() *os.File { return f.file }

// Read reads the next bytes.
func (f *File) Read(p []byte) (int, error) {
	n, err := f.file.Read(p)
	if isRefused(err) {
		n, err = f.file.Read(p)
	}
	return n, f.fail(err)
}

// ReadAt reads len(p) bytes from an offset on.
func (f *File) ReadAt(p []byte, offset int64) (int, error) {
	n, err := f.file.ReadAt(p, offset)
	for failed := -1; isRefused(err) && n > failed; {
		var more int
		failed = n
		more, err = f.file.ReadAt(p[n:], offset+int64(n))
		n += more
	}
	return n, f.fail(err)
}

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }

// isRefused reports whether an error of a read is how the kernel says that it cannot give
// the content, or that it is not what fs-verity or a checksum says.
func isRefused(err error) bool {
	return errors.Is(err, unix.EIO) || errors.Is(err, unix.EUCLEAN) || errors.Is(err, unix.EBADMSG)
}

// fail is the error of a read that was tried again if it was refused.
func (f *File) fail(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	err = fmt.Errorf("object %s: %w", f.id, err)
	if isRefused(err) {
		return corrupt.Unreadable(err)
	}
	return err
}
