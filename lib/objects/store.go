// Package objects is a store of file contents on disk: each object is a regular file below a
// directory, named by the fs-verity digest of its content in hex, with a slash after the first
// two digits: ab/cdef... A repository has such a store in objects/, mkcomposefs and cfs-mkerofs
// write one with --digest-store, and the kernel's overlayfs looks files up in one.
//
// An object gets its name only when it is complete: it is written to an unnamed file, or one with
// a temporary name, protected by fs-verity if the file system supports it, then linked. An object
// that is visibly damaged, without reading it, is replaced atomically. Stored objects are durable
// after Sync. The size of an existing object is trusted only if no power cut can have torn the
// object, which the marks of its writers show.
//
// The store does not interpret objects or references to them, and takes no locks: a caller that
// removes objects must exclude writers.
package objects

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"cfs/lib/fd"
	"cfs/lib/verity"
)

// Config says what kind of store a folder is.
type Config struct {
	Algorithm verity.Algorithm // of the digests; if 0, objects can only be listed and read
	Secure    bool             // each object has fs-verity, and is measured when it is opened

	// Lenient is to write as mkcomposefs does: fs-verity is tried and no more than that,
	// and the umask applies to folders.
	Lenient bool

	// Marks is the folder of the root for the marks of writers that have not flushed yet. It
	// is made when it is needed. A store that is neither secure nor has such a folder hashes
	// each object that it finds before it takes it for stored.
	Marks string

	// Name is how errors about writing begin, such as "repository /srv/cfs". The default
	// is the path of the folder.
	Name string
}

// Store is an open store. Its methods may be called from several goroutines.
type Store struct {
	config  Config
	root    *fd.Root
	dir     *os.File // the root again, which Close closes
	folders *folders
	sub     string // the folder of the store in the root, "." if it is that
	buffers buffers
	marks   marks
	ext4    bool // see needsNames

	noTemp, noClone, noVerity atomic.Bool // what the file system turned out not to have
}

// Open opens the store in the folder sub of root, or in root itself if sub is ".". The
// folder may be missing: a store without objects. Close must be called, before root is
// closed.
func Open(root *fd.Root, sub string, c Config) (*Store, error) {
	dir, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	if c.Name == "" {
		c.Name = root.Name()
	}
	s := &Store{config: c, root: root, dir: dir, sub: sub, folders: newFolders()}
	var st unix.Statfs_t
	if err := fd.Use(dir, func(n int) error { return unix.Fstatfs(n, &st) }); err != nil {
		return nil, errors.Join(s.fail("statfs", ".", err), dir.Close())
	}
	s.ext4 = st.Type == unix.EXT4_SUPER_MAGIC
	return s, nil
}

// Close closes the store. Objects that are open stay so, and what is about to be written
// fails.
func (s *Store) Close() error {
	return errors.Join(s.unmark(), s.dir.Close(), s.folders.close())
}

// Dir opens the folder of the objects, for the kernel to look them up. The error wraps
// fs.ErrNotExist if nothing was stored yet.
func (s *Store) Dir() (*os.File, error) { return s.root.OpenDir(s.sub) }

// in returns where something in the folder of the store is, relative to the root.
func (s *Store) in(name string) string {
	if s.sub == "." {
		return name
	}
	return s.sub + "/" + name
}

// path returns where an object is, relative to the root.
func (s *Store) path(id verity.ID) string { return s.in(id.ObjectPath()) }

// fail is the error of an operation on a name relative to the root.
func (s *Store) fail(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: s.root.Name() + "/" + name, Err: cause(err)}
}

// failWrite is the error of writing to a file that has no name yet.
func (s *Store) failWrite(err error) error {
	return fmt.Errorf("%s: %w", s.config.Name, cause(err))
}

// cause strips the path that a file error names, where it is the wrong one.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// mkdir makes dir, the folder of the store or one in it, and the folder of the store if
// that is missing.
func (s *Store) mkdir(dir string) error {
	err := s.mkdirOne(dir)
	if !errors.Is(err, fs.ErrNotExist) || dir == s.sub {
		return err
	}
	if err := s.mkdirOne(s.sub); err != nil {
		return err
	}
	return s.mkdirOne(dir)
}

// mkdirOne makes a folder with mode 0755 whatever the umask, unless the store is lenient.
func (s *Store) mkdirOne(dir string) error {
	if err := s.renew(dir); err != nil {
		return err
	}
	err := s.root.Mkdir(dir, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil && !s.config.Lenient {
		err = s.root.Chmod(dir, 0o755)
	}
	if err != nil {
		return s.fail("mkdir", dir, err)
	}
	return nil
}
