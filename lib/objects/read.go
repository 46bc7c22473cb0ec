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

// failObject is the error of an operation on an object.
func (s *Store) failObject(id verity.ID, err error) error {
	return fmt.Errorf("object %s: %w", id, err)
}

// Open opens an object for reading. In a secure store it is measured first: the error is
// marked as corrupt if the object is not protected, or its digest is not its name. In
// others its content is not looked at. The error wraps fs.ErrNotExist if there is no such
// object.
func (s *Store) Open(id verity.ID) (*os.File, error) {
	path := s.path(id)
	var f *os.File
	err := fd.Use(s.dir, func(root int) error {
		n, err := unix.Openat(root, path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
		if err == nil {
			f = os.NewFile(uintptr(n), s.root.Name()+"/"+path)
		}
		return err
	})
	if err != nil {
		return nil, s.failObject(id, err)
	}
	if !s.config.Secure {
		return f, nil
	}
	if err := measure(f, id); err != nil {
		f.Close()
		return nil, s.failObject(id, err)
	}
	return f, nil
}

func measure(f *os.File, id verity.ID) error {
	got, err := verity.Measure(f)
	switch {
	case errors.Is(err, verity.ErrNotEnabled):
		return corrupt.Errorf("%w", err)
	case err != nil:
		return err
	case got != id:
		return corrupt.Errorf("the kernel measures %s", got)
	}
	return nil
}

// Read returns the content of an object that has at most max bytes. The errors are those
// of Open, and one marked as corrupt if it is larger or no regular file.
func (s *Store) Read(id verity.ID, max int64) ([]byte, error) {
	f, err := s.Open(id)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := ReadAll(f, max)
	if err != nil {
		return nil, s.failObject(id, err)
	}
	return data, nil
}

// ReadAll returns the content of a file in memory of just its size. The error is marked as
// corrupt if it is no regular file, or has more than max bytes.
func ReadAll(f *os.File, max int64) ([]byte, error) {
	size, err := regular(f)
	if err != nil {
		return nil, err
	}
	if size > max {
		return nil, corrupt.Errorf("is larger than %d bytes", max)
	}
	data := make([]byte, size)
	_, err = io.ReadFull(f, data)
	return data, corrupt.UnexpectedEOF(err)
}

// regular returns the size of a regular file.
func regular(f *os.File) (int64, error) {
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = corrupt.Errorf("is no regular file")
	}
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

// Verify returns the size in bytes of an object whose content has the digest that is its
// name: by the kernel's word where it is protected, else by reading it. If it has not, the
// error is marked as corrupt; it wraps fs.ErrNotExist if there is no such object.
func (s *Store) Verify(id verity.ID) (size int64, err error) {
	f, err := s.Open(id)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	size, err = regular(f)
	if err == nil && !s.config.Secure {
		err = s.verify(f, id)
	}
	if err != nil {
		return 0, s.failObject(id, err)
	}
	return size, nil
}

func (s *Store) verify(f *os.File, id verity.ID) error {
	if got, err := verity.Measure(f); err == nil && got == id {
		return nil
	}
	h := s.hash()
	defer s.buffers.hashes.Put(h)
	if _, err := s.hashFile(h, f); err != nil {
		return err
	}
	if got := h.ID(); got != id {
		return corrupt.Errorf("its content has the digest %s", got)
	}
	return nil
}

// Size returns the size of an object in bytes, without opening it. The error wraps
// fs.ErrNotExist if there is no such object.
func (s *Store) Size(id verity.ID) (int64, error) {
	st, err := s.stat(id)
	if err != nil {
		return 0, s.failObject(id, err)
	}
	return st.Size, nil
}
