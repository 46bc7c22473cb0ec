// Package repo is a composefs repository on disk: a store of objects, names for some of them
// under streams/ and images/, refs to those names, the repository's metadata and its lock.
//
// It guarantees that nothing appears under its name before it is complete, and that nothing is
// named before its dependencies are durable. It does not interpret objects or follow references.
package repo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"cfs/lib/fd"
	"cfs/lib/flock"
	"cfs/lib/objects"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// Repo is an open repository, locked until Close.
type Repo struct {
	Path      string
	Algorithm verity.Algorithm
	Formats   []variant.Format // that each EROFS image is kept in, the default first
	Secure    bool             // each object has fs-verity, and is measured when it is opened
	NoMeta    bool             // it has no meta.json, as before there was one, and is only read
	Objects   *objects.Store
	Warn      func(error) // told what is odd, but can be read; may be nil

	root     *fd.Root
	dir      *os.File // holds the lock
	readOnly error    // why nothing may be written, nil if it may
	names    names    // to be flushed
}

// objectsDir is where the objects are.
const objectsDir = "objects"

// Odd tells Warn of something that is odd, but can be read.
func (r *Repo) Odd(err error) {
	if r.Warn != nil {
		r.Warn(err)
	}
}

// Open opens and locks the repository at path. The error wraps fs.ErrNotExist if
// there is none, flock.ErrLocked if the lock could not be had in time, and is marked as
// corrupt if its metadata is not what a repository has.
func Open(path string, lock flock.Lock) (*Repo, error) {
	return open(path, func(dir *os.File) error { return lock.Take(context.Background(), dir) })
}

// Peek opens the repository at path without a lock, to look up a name and never wait:
// what that leads to may be removed at any time. The error is as that of Open.
func Peek(path string) (*Repo, error) { return open(path, func(*os.File) error { return nil }) }

func open(path string, lock func(dir *os.File) error) (*Repo, error) {
	root, err := fd.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("repository: %w", err)
	}
	r := &Repo{Path: path, root: root}
	if r.dir, err = root.Open("."); err != nil {
		root.Close()
		return nil, fmt.Errorf("repository: %w", err)
	}
	if err = lock(r.dir); err == nil {
		err = r.readMeta()
	}
	if err == nil {
		r.Objects, err = r.store()
	}
	if err != nil {
		r.Close()
		return nil, fmt.Errorf("repository %s: %w", path, err)
	}
	return r, nil
}

// store opens the store of the objects as the metadata describes it.
func (r *Repo) store() (*objects.Store, error) {
	return objects.Open(r.root, objectsDir, objects.Config{
		Algorithm: r.Algorithm, Secure: r.Secure, Marks: notesDir, Name: "repository " + r.Path,
	})
}

// Loosen has a secure repository read like an insecure one: objects are opened though fs-verity
// does not protect them, and nothing measures them. It is for one who only reads.
func (r *Repo) Loosen() error {
	loose, err := objects.Open(r.root, objectsDir, objects.Config{Algorithm: r.Algorithm, Name: "repository " + r.Path})
	if err != nil {
		return fmt.Errorf("repository %s: %w", r.Path, err)
	}
	old := r.Objects
	r.Objects, r.Secure = loose, false
	return old.Close()
}

// Close releases the lock.
func (r *Repo) Close() error {
	var err error
	if r.Objects != nil {
		err = r.Objects.Close()
	}
	return errors.Join(err, r.dir.Close(), r.root.Close())
}

// Writable returns why nothing can be written into the repository, nil if it can.
// It is asked before any work is done that would be in vain.
func (r *Repo) Writable() error {
	if r.readOnly != nil {
		return fmt.Errorf("repository %s: %w", r.Path, r.readOnly)
	}
	var st unix.Statfs_t
	if err := fd.Use(r.dir, func(fd int) error { return unix.Fstatfs(fd, &st) }); err != nil {
		return fmt.Errorf("repository %s: %w", r.Path, err)
	}
	err := fd.Use(r.dir, func(fd int) error { return unix.Faccessat(fd, ".", unix.W_OK, unix.AT_EACCESS) })
	if st.Flags&unix.ST_RDONLY != 0 {
		err = unix.EROFS
	}
	if err != nil {
		return fmt.Errorf("repository %s is not writable: %w", r.Path, err)
	}
	return nil
}

// Others says who else may put files into the repository's directory besides root and this
// user, "" if nobody may.
func (r *Repo) Others() (string, error) { return r.root.Others() }

// Sync makes durable all that was written into the repository so far.
func (r *Repo) Sync() error {
	if err := r.Objects.Sync(); err != nil {
		return fmt.Errorf("repository %s: %w", r.Path, err)
	}
	return nil
}

// mkdir makes a directory and those above it, with mode 0755 whatever the umask.
func (r *Repo) mkdir(name string) error {
	err := r.root.Mkdir(name, 0o755)
	if errors.Is(err, fs.ErrNotExist) && filepath.Dir(name) != "." {
		if err := r.mkdir(filepath.Dir(name)); err != nil {
			return err
		}
		err = r.root.Mkdir(name, 0o755)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	r.names.made(name)
	return r.root.Chmod(name, 0o755)
}

// entries lists a directory of the repository in no certain order; one that is
// missing is empty.
func (r *Repo) entries(name string) ([]os.DirEntry, error) {
	d, err := r.root.OpenDir(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	list, err := fd.ReadDir(d)
	if errors.Is(err, fs.ErrNotExist) { // it was removed, being empty, since it was opened
		return nil, nil
	}
	return list, err
}
