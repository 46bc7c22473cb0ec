package objects

import (
	"errors"
	"os"
	"path"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"cfs/lib/fd"
	"cfs/lib/verity"
)

// folders holds handles of folders of a store: each object is reached by that of its folder,
// which is opened once, without following a symbolic link. So an object costs as many system
// calls as one would by its path. A folder that is removed and made again while the store is
// open stays the old one, until mkdir: whoever removes folders keeps readers out.
type folders struct {
	own   slot   // for the folder of the store
	slots []slot // for those in it, by the first two digits of the digests
}

// slot is where a handle is kept until that of another folder takes its place.
type slot struct {
	sync.Mutex
	name string
	file *os.File
}

// newFolders keeps at most a quarter of the descriptors that this process may have.
func newFolders() *folders {
	limit := unix.Rlimit{}
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		limit.Cur = 0
	}
	return &folders{slots: make([]slot, max(1, min(256, limit.Cur/4)))}
}

// find returns the slot for a folder in the root.
func (f *folders) find(name, sub string) *slot {
	if name == sub {
		return &f.own
	}
	n, _ := strconv.ParseUint(path.Base(name), 16, 8)
	return &f.slots[int(n)%len(f.slots)]
}

func (f *folders) close() (err error) {
	for i := range f.slots {
		err = errors.Join(err, f.slots[i].close())
	}
	return errors.Join(err, f.own.close())
}

func (s *slot) close() (err error) {
	s.Lock()
	defer s.Unlock()
	return s.forget()
}

func (s *slot) forget() (err error) {
	if s.file != nil {
		err = s.file.Close()
	}
	s.name, s.file = "", nil
	return err
}

// folder returns the folder of an object, relative to the root.
func (s *Store) folder(id verity.ID) string { return s.in(id.ObjectPath()[:2]) }

// base returns the name that an object has in its folder.
func base(id verity.ID) string { return id.ObjectPath()[3:] }

// use calls do with the descriptor of a folder, which is relative to the root: that itself, the
// folder of the store, or one in it. The error is a bare error number, or an *fd.Symlink. The
// folder of the store may be in use when one in it is.
func (s *Store) use(name string, do func(dir int) error) error {
	return fd.Use(s.dir, func(root int) error { // which fails when the store is closed
		if name == "." {
			return do(root)
		}
		slot := s.folders.find(name, s.sub)
		slot.Lock()
		defer slot.Unlock()
		if slot.name != name {
			if err := slot.open(s.root, name); err != nil {
				return cause(err)
			}
		}
		return fd.Use(slot.file, do)
	})
}

// open keeps another handle, in the place of the one before.
func (s *slot) open(root *fd.Root, name string) (err error) {
	if err := s.forget(); err != nil {
		return err
	}
	if s.file, err = root.Folder(name); err == nil {
		s.name = name
	}
	return err
}

// renew makes the next one who uses a folder open it again.
func (s *Store) renew(name string) error {
	if name == "." {
		return nil
	}
	return s.folders.find(name, s.sub).close()
}
