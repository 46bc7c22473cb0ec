// Package esp writes to the directory of a boot loader, a mounted EFI system partition, in a way
// that keeps files intact on vfat: a boot loader never finds half a file under its final name.
//
// vfat has no O_TMPFILE, no hard links and no symbolic links, and names that differ only in case
// are the same file. So a file is written under a temporary name in the same directory, flushed,
// and renamed. Symbolic links below the directory are not followed, whatever the file system.
package esp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"cfs/lib/fd"
	"cfs/lib/flock"
)

// loader is the folder whose lock excludes other writers.
const loader = "loader"

const (
	dirMode  = 0o755
	fileMode = 0o644
)

// Folder is an open boot directory. One that is missing is like an empty one, until Begin makes
// it.
type Folder struct {
	Path string

	root *fd.Root // nil if it is missing
	lock *os.File
}

// Open opens the folder at a path, to which links are followed.
func Open(name string) (*Folder, error) {
	root, err := fd.OpenRoot(name)
	if errors.Is(err, fs.ErrNotExist) {
		return &Folder{Path: name}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("boot directory: %w", err)
	}
	return &Folder{Path: name, root: root}, nil
}

// Close releases the lock.
func (f *Folder) Close() error {
	var err error
	if f.lock != nil {
		err = f.lock.Close()
	}
	if f.root != nil {
		err = errors.Join(err, f.root.Close())
	}
	return err
}

// Missing reports whether there is no such folder.
func (f *Folder) Missing() bool { return f.root == nil }

// Used reports whether a boot loader, or Begin, has used the folder before.
func (f *Folder) Used() (bool, error) {
	if f.root == nil {
		return false, nil
	}
	_, err := f.root.Lstat(loader)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, f.errorf(err)
}

// Begin makes the folder if it is missing, takes the exclusive lock on what is below it, and
// removes what killed writers have left. The error wraps flock.ErrLocked if the lock could not
// be had in time.
func (f *Folder) Begin(l flock.Lock) error {
	if f.root == nil {
		if err := os.MkdirAll(f.Path, dirMode); err != nil {
			return err
		}
		root, err := fd.OpenRoot(f.Path)
		if err != nil {
			return err
		}
		f.root = root
	}
	if err := f.mkdir(loader); err != nil {
		return f.errorf(err)
	}
	dir, err := f.root.OpenDir(loader)
	if err != nil {
		return f.errorf(err)
	}
	f.lock = dir
	l.Exclusive = true
	if err := l.Take(context.Background(), dir); err != nil {
		return fmt.Errorf("%s/%s: %w", f.Path, loader, err)
	}
	return f.errorf(f.clean())
}

func (f *Folder) errorf(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("boot directory %s: %w", f.Path, err)
}

// mkdir makes a folder and those above it. Their names are durable after Sync.
func (f *Folder) mkdir(name string) error {
	if name == "." {
		return nil
	}
	st, err := f.root.Lstat(name)
	if err == nil {
		return f.checkDir(name, st)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := f.mkdir(path.Dir(name)); err != nil {
		return err
	}
	if err := f.root.Mkdir(name, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return f.root.Chmod(name, dirMode) // whatever the umask
}

func (f *Folder) checkDir(name string, st unix.Stat_t) error {
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return fmt.Errorf("%s is not a directory", name)
	}
	return nil
}

// List returns the names in a folder, and whether they are folders. One that is missing is
// empty.
func (f *Folder) List(name string) ([]os.DirEntry, error) {
	if f.root == nil {
		return nil, nil
	}
	d, err := f.root.OpenDir(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, f.errorf(err)
	}
	defer d.Close()
	list, err := d.ReadDir(-1)
	return list, f.errorf(err)
}

// Open opens a regular file. The error wraps fs.ErrNotExist if there is none, or there can be
// none at such a path, as one that an entry has.
func (f *Folder) Open(name string) (*os.File, error) {
	if f.root == nil {
		return nil, f.errorf(&fs.PathError{Op: "openat", Path: name, Err: fs.ErrNotExist})
	}
	file, err := f.root.OpenRegular(name)
	if isImpossible(err) {
		err = &fs.PathError{Op: "openat", Path: name, Err: fs.ErrNotExist}
	}
	return file, f.errorf(err)
}

// isImpossible reports whether an error is that no file can have a name, on this file system.
func isImpossible(err error) bool {
	return slices.ContainsFunc([]error{fs.ErrInvalid, unix.EINVAL, unix.ENAMETOOLONG, unix.ENOTDIR}, func(is error) bool { return errors.Is(err, is) })
}

// Read returns the content of a regular file of at most so many bytes.
func (f *Folder) Read(name string, most int64) ([]byte, error) {
	file, err := f.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s has more than %d bytes", name, most)
	}
	return data, f.errorf(err)
}

// IsMountPoint reports whether a file system is mounted there.
func (f *Folder) IsMountPoint() (bool, error) {
	if f.root == nil {
		return false, nil
	}
	var here, above unix.Stat_t
	whole, err := filepath.EvalSymlinks(f.Path)
	if err == nil {
		err = errors.Join(unix.Stat(whole, &here), unix.Stat(whole+"/..", &above))
	}
	return err == nil && (here.Dev != above.Dev || here.Ino == above.Ino), f.errorf(err)
}
