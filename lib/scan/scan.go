// Package scan reads a directory into a tree: names, metadata, extended attributes
// and content.
//
// Everything is reached by descriptors, from the directory down, and symbolic links
// are not followed; mounts below are entered. A change during the scan is an error,
// so the tree is a consistent snapshot: no directory changed between its listing and
// the end of all listings, and no file between the first and the last look at it.
// Changes are detected by timestamps; the kernel sets them when a write begins, so a
// write that starts before the first look and ends after the last, or one through a
// memory mapping, may be missed.
//
// Whether an image is built from the canonical form of the tree, and where content is
// stored, is up to the caller.
package scan

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"cfs/lib/temporary"
	"cfs/lib/tolerance"
	"cfs/lib/tree"
	"cfs/lib/verity"
)

// ErrChanged means that something changed, came or vanished while it was read. It is
// temporary.
var ErrChanged = temporary.Errorf("changed while it was read")

// Options says what Scan takes, and how.
type Options struct {
	// Put returns the digest of what f holds, and may store it. It is called
	// for each regular file above tree.InlineMax bytes, from several goroutines
	// at once, and may read f or copy its descriptor.
	Put func(f *File) (verity.ID, error)

	// Xattr reports whether the extended attribute of a name is taken; it is
	// called as Put is. If it is nil, none is looked for.
	Xattr func(name string) bool

	SkipDevices bool // leave out block and character devices
	Epoch       bool // all times are 0
	SplitLinks  bool // each name has an inode of its own, as mkcomposefs does
	Threads     int  // how many files are read at once, 0 for as many as there are CPUs

	Rules *tolerance.Rules // strict ones refuse what the reference does
}

// ahead is how many files that are found may wait to be read: enough to keep the
// readers busy, and few, for each may hold a directory open.
const ahead = 64

// Scan returns the tree of the directory at name, which may be a symbolic link only
// if it ends in a slash. Errors name the path of what they are about; they wrap
// ErrChanged if that did not hold still.
func Scan(name string, o Options) (*tree.Inode, error) {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	s := &scanner{Options: o, ctx: ctx, seen: make(map[file]seen), jobs: make(chan job, ahead)}
	w := s.newReader()
	root, err := w.openDir(nil, unix.AT_FDCWD, name)
	if err != nil {
		return nil, err
	}
	var readers sync.WaitGroup
	threads := o.Threads
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	for range threads {
		readers.Go(func() { s.read(cancel) })
	}
	root.pending.Add(1) // until the check below is done
	if err := w.walk(root); err != nil {
		cancel(err)
	}
	close(s.jobs)
	readers.Wait()
	if ctx.Err() == nil {
		err = root.check(root.fd)
	}
	root.release()
	if err := errors.Join(context.Cause(ctx), err); err != nil {
		return nil, err
	}
	return root.inode, nil
}

// scanner is what the goroutines of a scan share.
type scanner struct {
	Options
	ctx  context.Context // done when something failed
	jobs chan job

	mu   sync.Mutex
	seen map[file]seen
}

// file is what a file is known by under all of its names.
type file struct{ dev, ino uint64 }

// seen is a file that was found already.
type seen struct {
	inode *tree.Inode
	ctime unix.Timespec
}

// job is an entry of a directory that is none itself.
type job struct {
	dir   *dir
	entry int
}

// read reads what the walk finds. After a failure it still takes what comes, so that
// the walk never waits in vain and all directories are closed.
func (s *scanner) read(cancel context.CancelCauseFunc) {
	r := s.newReader()
	for j := range s.jobs {
		if s.ctx.Err() == nil {
			n, err := r.leaf(j.dir, j.dir.entries[j.entry].name)
			if err != nil {
				cancel(err)
			}
			j.dir.inodes[j.entry] = n
		}
		j.dir.release()
	}
}

// inode returns the inode for a status, and whether it was seen before under another
// name. A number is used again when a file has gone, hence the look at the time.
func (s *scanner) inode(st *unix.Stat_t) (n *tree.Inode, again bool, err error) {
	n = &tree.Inode{Mode: st.Mode, UID: st.Uid, GID: st.Gid}
	if !s.Epoch {
		n.Mtime = tree.Time{Sec: st.Mtim.Sec, Nsec: uint32(st.Mtim.Nsec)}
	}
	if n.IsDir() || s.SplitLinks {
		return n, false, nil
	}
	key := file{st.Dev, st.Ino}
	s.mu.Lock()
	defer s.mu.Unlock()
	old, again := s.seen[key]
	switch {
	case again && n.Type() == unix.S_IFCHR && st.Rdev == 0:
		// Overlayfs links its whiteouts to each other, and in an image each is its own.
		return n, false, s.Rules.Note(tolerance.WhiteoutName, "")
	case !again:
		s.seen[key] = seen{n, st.Ctim}
		return n, false, nil
	case old.ctime != st.Ctim:
		return nil, false, ErrChanged
	}
	return old.inode, true, nil
}

// dir is a directory.
type dir struct {
	parent *dir // nil for the root of the tree
	name   string
	inode  *tree.Inode
	stamp  stamp
	subs   []*dir

	// While it is read:
	fd      int
	entries []entry
	inodes  []*tree.Inode // of the entries, nil for those left out
	pending atomic.Int64  // entries that are not read yet, and the walk
}

// walk lists a directory and all below it, and hands on what is in them.
func (r *reader) walk(d *dir) error {
	defer d.release()
	if err := r.list(d); err != nil {
		return d.fail("", "read", err)
	}
	d.inodes = make([]*tree.Inode, len(d.entries))
	for i, e := range d.entries {
		switch {
		case r.ctx.Err() != nil:
			return nil
		case e.dir:
			sub, err := r.openDir(d, d.fd, e.name)
			if err != nil {
				return err
			}
			d.inodes[i] = sub.inode
			d.subs = append(d.subs, sub)
			if err := r.walk(sub); err != nil {
				return err
			}
		default:
			d.pending.Add(1)
			r.jobs <- job{d, i}
		}
	}
	return nil
}

// release ends the use of a directory by one of those who count as pending. The last
// one names the entries.
func (d *dir) release() {
	if d.pending.Add(-1) > 0 {
		return
	}
	for i, n := range d.inodes {
		if n != nil {
			d.inode.Put(d.entries[i].name, n)
		}
	}
	d.entries, d.inodes = nil, nil
	unix.Close(d.fd) // it was only read
}

// path returns the path of an entry, or of the directory itself if name is empty.
func (d *dir) path(name string) string {
	if d == nil {
		return name
	}
	if d.parent == nil {
		if name == "" {
			return d.name
		}
		return strings.TrimRight(d.name, "/") + "/" + name
	}
	return d.parent.path(path.Join(d.name, name))
}

// fail says what was done to an entry, and why it failed. That something is not
// there, or of another type, after it was listed means that it changed.
func (d *dir) fail(name, op string, err error) error {
	listed := d != nil && (name != "" || d.parent != nil)
	switch err {
	case unix.ENOENT, unix.ENOTDIR, unix.ELOOP, unix.ESTALE, unix.ENXIO:
		if listed {
			err = ErrChanged
		}
	}
	return &fs.PathError{Op: op, Path: d.path(name), Err: err}
}
