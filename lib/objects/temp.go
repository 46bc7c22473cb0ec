package objects

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"cfs/lib/fd"
)

// tempPrefix begins the names of files in the folder of the store that are no objects
// yet: all of them where the file system has no O_TMPFILE, else those that are about to
// replace an object.
const tempPrefix = ".tmp-object-"

func (s *Store) tempName() string { return s.in(tempPrefix + strings.ToLower(rand.Text()[:12])) }

// temp is a file that has no final name yet. Where the file system can, it has no name
// at all: being killed leaves nothing to clean.
type temp struct {
	store  *Store
	file   *os.File
	name   string // relative to the root, "" for a file without a name
	closed bool
}

// Temp returns a file without a name on the file system of the store, for what does not
// fit into memory. Closing it frees it.
func (s *Store) Temp() (*os.File, error) {
	t, err := s.newTemp(".")
	if err != nil {
		return nil, err
	}
	if t.name != "" {
		if err := s.root.Remove(t.name); err != nil {
			return nil, errors.Join(err, t.file.Close())
		}
	}
	return t.file, nil
}

// newTempIn is newTemp for a folder of the store, which is made if it is missing.
func (s *Store) newTempIn(dir string) (*temp, error) {
	t, err := s.newTemp(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return t, err
	}
	if err := s.mkdir(dir); err != nil {
		return nil, err
	}
	return s.newTemp(dir)
}

// newTemp makes a file in the directory dir, of mode 0644 whatever the umask.
func (s *Store) newTemp(dir string) (t *temp, err error) {
	if s.noTemp.Load() {
		t, err = s.named()
	} else {
		t, err = s.unnamed(dir)
	}
	if err != nil {
		return nil, err
	}
	if err := t.file.Chmod(0o644); err != nil {
		return nil, errors.Join(err, t.discard())
	}
	return t, nil
}

func (s *Store) unnamed(dir string) (*temp, error) {
	t := &temp{store: s}
	err := fd.Use(s.dir, func(root int) error {
		n, err := unix.Openat(root, dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o644)
		if err == nil {
			t.file = os.NewFile(uintptr(n), "temporary file in "+dir)
		}
		return err
	})
	switch err {
	case nil:
		return t, nil
	case unix.EOPNOTSUPP, unix.EISDIR, unix.ENOSYS:
		s.noTemp.Store(true)
		return s.named()
	}
	return nil, s.fail("open", dir, err)
}

// named makes a file in the folder of the store itself, where Leftovers finds it.
func (s *Store) named() (*temp, error) {
	name := s.tempName()
	open := func() (*os.File, error) { return s.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644) }
	f, err := open()
	if errors.Is(err, fs.ErrNotExist) {
		if err := s.mkdir(s.sub); err != nil {
			return nil, err
		}
		f, err = open()
	}
	if err != nil {
		return nil, s.fail("open", name, err)
	}
	return &temp{store: s, file: f, name: name}, nil
}

// clone gives the file the content of another one, whose blocks it shares.
func (t *temp) clone(from int) error {
	return fd.Use(t.file, func(to int) error { return unix.IoctlFileClone(to, from) })
}

// link gives the file its final name, relative to the root; fs.ErrExist if something has
// that.
func (t *temp) link(name string) error {
	err := fd.Use(t.store.dir, func(root int) error {
		if t.name == "" {
			return fd.Use(t.file, func(n int) error {
				return unix.Linkat(unix.AT_FDCWD, fd.Path(n), root, name, unix.AT_SYMLINK_FOLLOW)
			})
		}
		err := unix.Renameat2(root, t.name, root, name, unix.RENAME_NOREPLACE)
		switch err {
		case nil:
			t.name = ""
		case unix.EINVAL, unix.ENOSYS: // as on NFS, which has links; discard removes the first name
			err = unix.Linkat(root, t.name, root, name, 0)
		}
		return err
	})
	if err != nil {
		return t.store.fail("link", name, err)
	}
	return nil
}

// replace gives the file its final name, whatever has that. At any moment either is there
// under that name.
func (t *temp) replace(name string) error {
	if t.name == "" {
		between := t.store.tempName()
		if err := t.link(between); err != nil {
			return err
		}
		t.name = between
	}
	err := fd.Use(t.store.dir, func(root int) error { return unix.Renameat(root, t.name, root, name) })
	if err != nil {
		return t.store.fail("link", name, err)
	}
	t.name = ""
	return nil
}

// close closes the file. There are file systems that say only here that what was written
// could not be stored.
func (t *temp) close() error {
	if t.closed {
		return nil
	}
	t.closed = true
	if err := t.file.Close(); err != nil {
		return t.store.failWrite(err)
	}
	return nil
}

// discard closes the file, and removes it if it did not get a final name.
func (t *temp) discard() error {
	err := t.close()
	if t.name != "" {
		err = errors.Join(err, t.store.root.Remove(t.name))
	}
	return err
}
