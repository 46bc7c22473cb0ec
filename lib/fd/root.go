package fd

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// Root is an open folder, in which files are reached by handles. The names that its methods
// take are slash-separated and relative to it, and lead nowhere else: a name whose folders
// include a symbolic link is refused, wherever that link leads, and so is a link where a file
// is to be opened. An os.Root follows those that stay inside, as somebody may have made them
// who is allowed to write there, to have other files read or written. Errors are
// *fs.PathError with the relative name; one about such a link names it, and wraps ELOOP, so that nobody takes it for
// absence.
//
// Its methods may be called from several goroutines.
type Root struct{ dir *os.File }

// OpenRoot opens a folder, which the user has named: links to it are followed.
func OpenRoot(name string) (*Root, error) {
	dir, err := os.OpenFile(name, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	return &Root{dir}, nil
}

// NewRoot returns a folder that is open. Close closes it.
func NewRoot(dir *os.File) *Root { return &Root{dir} }

// Name returns the name that OpenRoot was called with.
func (r *Root) Name() string { return r.dir.Name() }

// Close closes the folder. Files that were opened in it stay open.
func (r *Root) Close() error { return r.dir.Close() }

// In calls do with the descriptor of the folder in which name stands, and the name that it
// has there. It is for the system calls that Root has no method for, which must not follow
// a link of that name.
func (r *Root) In(name string, do func(dir int, base string) error) error {
	if !valid(name) {
		return fs.ErrInvalid
	}
	return Use(r.dir, func(root int) error {
		if path.Dir(name) == "." {
			return do(root, name)
		}
		dir, err := openFolder(root, path.Dir(name))
		if err != nil {
			return err
		}
		defer unix.Close(dir)
		return do(dir, path.Base(name))
	})
}

// Folder opens a folder for the calls that take the descriptor of one, not to be listed: it
// need not be readable.
func (r *Root) Folder(name string) (f *os.File, err error) {
	if !valid(name) {
		return nil, fail("openat", name, fs.ErrInvalid)
	}
	err = Use(r.dir, func(root int) error {
		dir, err := openFolder(root, name)
		if err == nil {
			f = os.NewFile(uintptr(dir), r.Name()+"/"+name)
		}
		return err
	})
	return f, fail("openat", name, err)
}

// Open opens a file or folder for reading. It does not wait for one that is not a regular file.
func (r *Root) Open(name string) (*os.File, error) { return r.OpenFile(name, os.O_RDONLY, 0) }

// OpenFile opens a file or folder as os.OpenFile does. It does not wait for one that is no
// regular file, which the caller must find out, and which may be ENXIO.
func (r *Root) OpenFile(name string, flags int, perm fs.FileMode) (f *os.File, err error) {
	flags |= unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	err = r.In(name, func(dir int, base string) error {
		n, err := unix.Openat(dir, base, flags, uint32(perm.Perm()))
		if err == nil {
			f = os.NewFile(uintptr(n), r.Name()+"/"+name)
		}
		return symlink(dir, base, name, err)
	})
	return f, fail("openat", name, err)
}

// OpenDir opens a folder to list it.
func (r *Root) OpenDir(name string) (*os.File, error) { return r.OpenFile(name, unix.O_DIRECTORY, 0) }

// SyncDir makes durable which names are in a folder.
func (r *Root) SyncDir(name string) error {
	d, err := r.OpenDir(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Mkdir makes a folder.
func (r *Root) Mkdir(name string, perm fs.FileMode) error {
	return fail("mkdirat", name, r.In(name, func(dir int, base string) error {
		return unix.Mkdirat(dir, base, uint32(perm.Perm()))
	}))
}

// Chmod sets the permissions of a file or folder that may be read.
func (r *Root) Chmod(name string, perm fs.FileMode) error {
	f, err := r.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(perm), f.Close())
}

// Lstat returns the status of a file.
func (r *Root) Lstat(name string) (st unix.Stat_t, err error) {
	err = r.In(name, func(dir int, base string) error {
		return unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW)
	})
	return st, fail("fstatat", name, err)
}

// Symlink makes a link that says target.
func (r *Root) Symlink(target, name string) error {
	return fail("symlinkat", name, r.In(name, func(dir int, base string) error { return unix.Symlinkat(target, dir, base) }))
}

// Readlink returns what a link says. The error wraps EINVAL if it is none.
func (r *Root) Readlink(name string) (target string, err error) {
	err = r.In(name, func(dir int, base string) error {
		b := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(dir, base, b)
		if err == nil {
			target = string(b[:n])
		}
		return err
	})
	return target, fail("readlinkat", name, err)
}

// Rename gives a file another name, and replaces what has that.
func (r *Root) Rename(old, name string) error {
	return fail("renameat", name, r.In(old, func(from int, oldBase string) error {
		return r.In(name, func(to int, base string) error { return unix.Renameat(from, oldBase, to, base) })
	}))
}

// Remove removes a file or an empty folder.
func (r *Root) Remove(name string) error {
	return fail("unlinkat", name, r.In(name, func(dir int, base string) error {
		err := unix.Unlinkat(dir, base, 0)
		if err == unix.EISDIR || err == unix.EPERM { // which POSIX says of folders
			if rmdir := unix.Unlinkat(dir, base, unix.AT_REMOVEDIR); rmdir != unix.ENOTDIR {
				return rmdir
			}
		}
		return err
	}))
}

// RemoveAll removes a file, or a folder and all that is in it. That there is none is fine.
func (r *Root) RemoveAll(name string) error {
	err := r.Remove(name)
	if errors.Is(err, unix.ENOTEMPTY) {
		if err = r.empty(name); err == nil {
			err = r.Remove(name)
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// empty removes all that is in a folder.
func (r *Root) empty(name string) error {
	d, err := r.OpenDir(name)
	if err != nil {
		return err
	}
	list, err := d.Readdirnames(-1)
	if err := errors.Join(err, d.Close()); err != nil {
		return err
	}
	for _, base := range list {
		if err := r.RemoveAll(name + "/" + base); err != nil {
			return err
		}
	}
	return nil
}

// fail is the error of an operation on a name, if it failed.
func fail(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// valid reports whether a name is a path as fs.ValidPath has it, which may have bytes that are not UTF-8.
func valid(name string) bool { return fs.ValidPath(strings.ToValidUTF8(name, "?")) }
