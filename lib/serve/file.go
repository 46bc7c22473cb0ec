package serve

import (
	"io"
	"os"
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/erofs"
)

// handles are the open objects. The kernel knows each by a number; 0 is that of files whose content is in the image.
type handles struct {
	mutex sync.Mutex
	last  uint64
	files map[uint64]*os.File
}

func (h *handles) add(f *os.File) uint64 {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.files == nil {
		h.files = make(map[uint64]*os.File)
	}
	h.last++
	h.files[h.last] = f
	return h.last
}

func (h *handles) get(number uint64) *os.File {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	return h.files[number]
}

func (h *handles) remove(number uint64) *os.File {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	f := h.files[number]
	delete(h.files, number)
	return f
}

// verifies reports whether an object is verified when it is opened.
func (s *filesystem) verifies() bool {
	return !s.Metadata && (s.Objects.Measured || s.Objects.Hashed)
}

// Open opens a file, so that who opens it gets the error of an object that is not what it should be. What the kernel has
// cached of it stays. Where nothing is verified the kernel is told that files need not be opened, and then never asks
// again: that halves the requests for small files, and one that is in its cache takes none. An overlay mount also opens
// files whose content it does not read, for their attributes.
func (s *filesystem) Open(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	if !s.verifies() {
		return fuse.ENOSYS
	}
	out.OpenFlags = fuse.FOPEN_KEEP_CACHE
	_, c, err := s.content(in.NodeId)
	if err != nil {
		return s.fail(err)
	}
	if !isExternal(c) {
		return fuse.OK
	}
	f, err := s.Objects.open(c)
	if err != nil {
		return s.fail(err)
	}
	out.Fh = s.handles.add(f)
	return fuse.OK
}

func (s *filesystem) content(id uint64) (*erofs.Node, erofs.Content, error) {
	n, err := s.node(id)
	if err != nil {
		return nil, erofs.Content{}, err
	}
	c, err := n.Content()
	return n, c, err
}

// isExternal reports whether the content of a file is an object.
func isExternal(c erofs.Content) bool { return !c.Object.IsZero() || c.Path != "" }

// Release closes a file. Of one that was only read there is no error to report.
func (s *filesystem) Release(_ <-chan struct{}, in *fuse.ReleaseIn) {
	if f := s.handles.remove(in.Fh); f != nil {
		f.Close()
	}
}

// Read reads a part of a file.
func (s *filesystem) Read(_ <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	_, c, err := s.content(in.NodeId)
	if err != nil {
		return nil, s.fail(err)
	}
	if in.Offset >= c.Size {
		return fuse.ReadResultData(nil), fuse.OK
	}
	buf = buf[:min(uint64(len(buf)), uint64(in.Size), c.Size-in.Offset)]
	switch {
	case isExternal(c) && s.Metadata:
		return nil, fuse.Status(unix.EOPNOTSUPP) // the overlay above reads the object itself
	case isExternal(c):
		err = s.readObject(c, in, buf)
	case c.Inline == "":
		clear(buf)
	default:
		copy(buf, c.Inline[in.Offset:])
	}
	if err != nil {
		return nil, s.fail(err)
	}
	return fuse.ReadResultData(buf), fuse.OK
}

// readObject fills a buffer. An object that became shorter is an error, as the kernel would show zeros in place of
// what is missing.
func (s *filesystem) readObject(c erofs.Content, in *fuse.ReadIn, buf []byte) error {
	f := s.handles.get(in.Fh)
	if f == nil {
		var err error
		if f, err = s.Objects.open(c); err != nil {
			return err
		}
		defer f.Close() // which was only read
	}
	n, err := f.ReadAt(buf, int64(in.Offset))
	if n < len(buf) && err == io.EOF {
		err = corrupt.Errorf("%s has become shorter than %d bytes", f.Name(), c.Size)
	}
	return err
}
