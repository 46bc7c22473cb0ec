package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"cfs/lib/fd"
)

// maxTries is how often a file is tried to be made that others replace.
const maxTries = 16

// openOwn opens a file of the spool for reading and writing, and makes it if it is missing.
// It must be a file of root or of this user with no other name: what is written to it is
// not to go to another place. Anything else that is there is removed.
func (s *Spool) openOwn(name string) (*os.File, error) {
	for range maxTries {
		f, err := s.root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil && !isOdd(err) {
			return nil, err
		}
		strange := err != nil
		if err == nil {
			var st unix.Stat_t
			if st, err = status(f); err == nil && isOwn(st) {
				return f, nil
			}
			if err := errors.Join(err, f.Close()); err != nil {
				return nil, err
			}
			strange = st.Nlink > 0 // else it was removed since it was opened
		}
		if !strange {
			continue
		}
		if err := s.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%s is replaced repeatedly", name)
}

// isOdd reports whether a file was not opened since it is a link, a folder, a socket or the
// like.
func isOdd(err error) bool {
	for _, e := range []error{unix.ELOOP, unix.EISDIR, unix.ENXIO, fd.ErrNotRegular} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func isOwn(st unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFREG && st.Nlink == 1 && (st.Uid == 0 || int(st.Uid) == os.Geteuid())
}

func status(f *os.File) (st unix.Stat_t, err error) {
	err = fd.Use(f, func(n int) error { return unix.Fstat(n, &st) })
	return st, os.NewSyscallError("fstat", err)
}

// isNamed reports whether an open file has a name in the spool still.
func (s *Spool) isNamed(f *os.File, name string) (bool, error) {
	mine, err := status(f)
	if err != nil {
		return false, err
	}
	named, err := s.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && named.Dev == mine.Dev && named.Ino == mine.Ino, err
}
