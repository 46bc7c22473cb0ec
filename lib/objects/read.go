package objects

import (
	"fmt"
	"io"
	"os"

	"cfs/lib/corrupt"
	"cfs/lib/verity"
)

// failObject is the error of an operation on an object.
func (s *Store) failObject(id verity.ID, err error) error {
	return fmt.Errorf("object %s: %w", id, err)
}

// Read returns the content of an object that has at most max bytes. The errors are those
// of Open and of File, and one marked as corrupt if it is larger.
func (s *Store) Read(id verity.ID, max int64) ([]byte, error) {
	f, err := s.Open(id)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.size > max {
		return nil, s.failObject(id, errTooLarge(max))
	}
	data := make([]byte, f.size)
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, corrupt.UnexpectedEOF(err)
	}
	return data, nil
}

// ReadAll returns the content of a file in memory of just its size. The error is marked as
// corrupt if it is not a regular file, or has more than max bytes. Other errors say nothing
// about the content.
func ReadAll(f *os.File, max int64) ([]byte, error) {
	size, err := regular(f)
	if err != nil {
		return nil, err
	}
	if size > max {
		return nil, errTooLarge(max)
	}
	data := make([]byte, size)
	_, err = io.ReadFull(f, data)
	return data, corrupt.UnexpectedEOF(err)
}

func errTooLarge(max int64) error { return corrupt.Errorf("is larger than %d bytes", max) }

// Verify returns the size in bytes of an object whose content has the digest that is its
// name: by the kernel's word where it is protected, else by reading it. The error is marked
// as corrupt if it has not, is one of corrupt.Unreadable if the content cannot be had, and
// wraps fs.ErrNotExist if there is no such object. All others say nothing about it.
func (s *Store) Verify(id verity.ID) (size int64, err error) { return s.verify(id, false) }

// VerifyContent is Verify, but reads the content in any case: where the kernel protects a
// file it says so only of bytes that are read.
func (s *Store) VerifyContent(id verity.ID) (size int64, err error) { return s.verify(id, true) }

func (s *Store) verify(id verity.ID, read bool) (size int64, err error) {
	f, err := s.Open(id)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if !read && (s.config.Secure || isMeasured(f)) {
		return f.size, nil
	}
	h := s.hash()
	defer s.buffers.hashes.Put(h)
	if _, err := s.hashFile(h, f); err != nil {
		return 0, err
	}
	if got := h.ID(); got != id {
		return 0, s.failObject(id, corrupt.Errorf("its content has the digest %s", got))
	}
	return f.size, nil
}

// isMeasured reports whether the kernel vouches for the content of an object. If it says
// something else, or nothing, the content tells.
func isMeasured(f *File) bool {
	got, err := verity.Measure(f.file)
	return err == nil && got == f.id
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
