package objects

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"cfs/lib/fd"
)

// tempPrefix begins the names of files in the folder of the store that are no objects
// yet: all of them where the file system has no O_TMPFILE, or needs names, else those that
// are about to replace an object.
const tempPrefix = ".tmp-object-"

func tempName(dir string) string { return path.Join(dir, tempPrefix+strings.ToLower(rand.Text()[:12])) }

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

// newObjectTemp makes a file that becomes an object, in a folder of the store, which is made if
// it is missing.
func (s *Store) newObjectTemp(dir string) (*temp, error) {
	if s.needsNames() {
		return readable(s.named(s.sub))
	}
	t, err := s.newTemp(dir)
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.EPERM) { // which is said of one that was removed
		return t, err
	}
	if err := s.mkdir(dir); err != nil {
		return nil, err
	}
	return s.newTemp(dir)
}

// needsNames reports whether a file needs a name before fs-verity protects it. If a process is
// killed while ext4 enables fs-verity for an unlinked file, the inode stays in the orphan list on
// the disk. The next mount truncates whichever file has that inode by then to its size. If that
// file is protected, it loses its hash tree, and cannot be opened any more. (Linux 6.12: after a failure
// ext4_end_enable_verity removes the inode from the list in memory only. ext4_truncate has removed it
// from the one on the disk before, but only if the file has a name.)
func (s *Store) needsNames() bool { return s.ext4 && (s.config.Secure || !s.noVerity.Load()) }

// newTemp makes a file in the directory dir, without a name if the file system can.
func (s *Store) newTemp(dir string) (*temp, error) {
	if s.noTemp.Load() {
		return readable(s.named(s.sub))
	}
	return readable(s.unnamed(dir))
}

// readable gives a file the mode 0644 whatever the umask.
func readable(t *temp, err error) (*temp, error) {
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
	err := s.use(dir, func(folder int) error {
		n, err := unix.Openat(folder, ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o644)
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
		return s.named(s.sub)
	}
	return nil, s.fail("open", dir, err)
}

// named makes a file in the folder of the store itself, or in the root, where Leftovers finds it.
func (s *Store) named(dir string) (*temp, error) {
	name := tempName(dir)
	open := func() (*os.File, error) { return s.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644) }
	f, err := open()
	if errors.Is(err, fs.ErrNotExist) {
		if err := s.mkdir(dir); err != nil {
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
	if t.name != "" {
		return t.move(name)
	}
	err := t.store.use(path.Dir(name), func(dir int) error {
		return fd.Use(t.file, func(n int) error {
			return unix.Linkat(unix.AT_FDCWD, fd.Path(n), dir, path.Base(name), unix.AT_SYMLINK_FOLLOW)
		})
	})
	if err != nil {
		return t.store.fail("link", name, err)
	}
	return nil
}

// move is link for a file that has another name.
func (t *temp) move(name string) error {
	err := t.inBoth(name, func(from int, old string, to int, base string) error {
		return unix.Renameat2(from, old, to, base, unix.RENAME_NOREPLACE)
	})
	switch err {
	case nil:
		t.name = ""
		return nil
	case unix.EINVAL, unix.ENOSYS: // as on NFS, which has links; discard removes the first name
		err = t.inBoth(name, func(from int, old string, to int, base string) error { return unix.Linkat(from, old, to, base, 0) })
	}
	if err != nil {
		return t.store.fail("link", name, err)
	}
	return nil
}

// inBoth calls do with the folder and the base of the name that the file has, and of another name.
// The former is in the folder of the store itself, the latter never: no two wait for each other.
func (t *temp) inBoth(name string, do func(from int, old string, to int, base string) error) error {
	return t.store.use(path.Dir(t.name), func(from int) error {
		return t.store.use(path.Dir(name), func(to int) error { return do(from, path.Base(t.name), to, path.Base(name)) })
	})
}

// replace gives the file its final name, whatever has that. At any moment either is there
// under that name.
func (t *temp) replace(name string) error {
	if t.name == "" {
		between := tempName(t.store.sub)
		if err := t.link(between); err != nil {
			return err
		}
		t.name = between
	}
	err := t.inBoth(name, unix.Renameat)
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
