package repo

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/verity"
)

// OpenObject opens an object for reading. In a secure repository it is first
// measured: the error is marked as corrupt if it is not protected, or not what its
// name says. The error wraps fs.ErrNotExist if there is no such object.
func (r *Repo) OpenObject(id verity.ID) (*os.File, error) {
	path := "objects/" + id.ObjectPath()
	fd, err := unix.Openat(int(r.dir.Fd()), path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("object %s: %w", id, err)
	}
	f := os.NewFile(uintptr(fd), r.Path+"/"+path)
	if !r.Secure {
		return f, nil
	}
	if err := r.measure(f, id); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (r *Repo) measure(f *os.File, id verity.ID) error {
	got, err := verity.Measure(f)
	switch {
	case errors.Is(err, verity.ErrNotEnabled):
		return corrupt.Errorf("object %s: %w", id, err)
	case err != nil:
		return fmt.Errorf("object %s: %w", id, err)
	case got != id:
		return corrupt.Errorf("object %s: the kernel measures %s", id, got)
	}
	return nil
}

// ReadObject returns the content of an object that has at most max bytes.
func (r *Repo) ReadObject(id verity.ID, max int64) ([]byte, error) {
	f, err := r.OpenObject(id)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := readAll(f, max)
	if err != nil {
		return nil, fmt.Errorf("object %s: %w", id, err)
	}
	return data, nil
}

// readAll reads a file that has at most max bytes, in memory of just that size.
func readAll(f *os.File, max int64) ([]byte, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, corrupt.Errorf("is no regular file")
	}
	if st.Size() > max {
		return nil, corrupt.Errorf("is larger than %d bytes", max)
	}
	data := make([]byte, st.Size())
	_, err = io.ReadFull(f, data)
	return data, corrupt.UnexpectedEOF(err)
}

// VerifyObject reports whether an object is there and is what its name says: by
// the kernel's word where it is protected, else by reading it. Its size comes back
// too.
func (r *Repo) VerifyObject(id verity.ID) (size int64, err error) {
	f, err := r.OpenObject(id)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if !st.Mode().IsRegular() {
		return 0, corrupt.Errorf("object %s: is no regular file", id)
	}
	if r.Secure {
		return st.Size(), nil
	}
	if got, err := verity.Measure(f); err == nil && got == id {
		return st.Size(), nil
	}
	got, err := r.sumFile(f)
	if err != nil {
		return 0, fmt.Errorf("object %s: %w", id, err)
	}
	if got != id {
		return 0, corrupt.Errorf("object %s: its content has the digest %s", id, got)
	}
	return st.Size(), nil
}
