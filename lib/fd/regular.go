package fd

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// ErrNotRegular means that where a regular file must be there is a folder, a FIFO, a socket, a
// device, or the like.
var ErrNotRegular = errors.New("is not a regular file")

// OpenRegular opens a regular file for reading, also through links. The error wraps
// ErrNotRegular if it is none. A FIFO is not waited for.
func OpenRegular(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	return regular(f, name, err)
}

// OpenRegular opens a regular file for reading, as Open does. The error wraps ErrNotRegular if
// it is none.
func (r *Root) OpenRegular(name string) (*os.File, error) {
	f, err := r.Open(name)
	return regular(f, name, err)
}

// regular closes what has been opened and is not a regular file.
func regular(f *os.File, name string, err error) (*os.File, error) {
	if errors.Is(err, unix.ENXIO) { // a socket
		return nil, fail("open", name, ErrNotRegular)
	}
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fail("open", name, ErrNotRegular)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// CheckRegular returns an error that wraps ErrNotRegular if what a name leads to is no regular
// file.
func CheckRegular(name string) error {
	st, err := os.Stat(name)
	if err == nil && !st.Mode().IsRegular() {
		err = fail("stat", name, ErrNotRegular)
	}
	return err
}
