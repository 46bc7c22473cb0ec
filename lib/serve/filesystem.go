// Package serve shows an EROFS image and its objects as a file system by FUSE, for those who may not have the
// kernel mount them.
//
// The file system is what the kernel mount of the image shows (erofs.Node). Inodes are read from the bytes of the
// image when the kernel asks for them, and numbered by their place in it, so that nothing is kept of them here: the
// kernel caches what it was told for as long as it likes, as an image never changes.
package serve

import (
	"errors"
	"strings"
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"cfs/lib/erofs"
)

// Config is what is served.
type Config struct {
	Image   *erofs.Reader
	Objects *Objects

	// Metadata serves no content of objects: an overlay mount on top reads it, and is told by xattrs user.overlay.*
	// where it is. Such xattrs of the image itself are not shown then, as they could lead a file to any object.
	Metadata bool

	// Trusted shows xattrs trusted.* to root, as the kernel does in the initial user namespace alone.
	Trusted bool

	// Log is called with what is wrong with the image or with an object, once for each such thing.
	Log func(text string)
}

// filesystem answers the requests of the kernel. Those it has no method for are answered by ENOSYS, among them those to
// flush a file, to check access, and to open a directory, which the kernel then does not send again.
type filesystem struct {
	fuse.RawFileSystem
	Config
	handles handles
	told    sync.Map // of what Log was called for
}

func newFilesystem(c Config) *filesystem {
	return &filesystem{RawFileSystem: fuse.NewDefaultRawFileSystem(), Config: c}
}

// forever is for how many seconds the kernel may keep what it is told.
const forever = 1 << 30

// firstNode is added to the number of an inode: the kernel takes 0 for nothing, and 1 (FUSE_ROOT_ID) for the root.
const firstNode = 2

func (s *filesystem) id(number uint64) uint64 {
	if number == s.Image.Root() {
		return fuse.FUSE_ROOT_ID
	}
	return number + firstNode
}

// node reads the inode that the kernel knows by an ID, which it was given before.
func (s *filesystem) node(id uint64) (*erofs.Node, error) {
	if id == fuse.FUSE_ROOT_ID {
		return s.Image.Node(s.Image.Root())
	}
	return s.Image.Node(id - firstNode)
}

// fail returns how the kernel is told of an error. What the kernel cannot say is logged.
func (s *filesystem) fail(err error) fuse.Status {
	for _, errno := range []unix.Errno{unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.EINTR} {
		if errors.Is(err, errno) {
			return fuse.Status(errno)
		}
	}
	if _, told := s.told.LoadOrStore(err.Error(), true); !told {
		s.Log(err.Error())
	}
	return fuse.EIO
}

// describe tells the kernel of an inode.
func (s *filesystem) describe(n *erofs.Node, out *fuse.Attr) {
	*out = fuse.Attr{
		Ino:  s.id(n.Number()),
		Size: n.Size, Blocks: (n.Size + 511) / 512, Blksize: 4096,
		Mode: n.Mode, Nlink: n.Links, Rdev: n.Rdev,
		Owner: fuse.Owner{Uid: n.UID, Gid: n.GID},
		Atime: uint64(n.Mtime.Sec), Mtime: uint64(n.Mtime.Sec), Ctime: uint64(n.Mtime.Sec),
		Atimensec: n.Mtime.Nsec, Mtimensec: n.Mtime.Nsec, Ctimensec: n.Mtime.Nsec,
	}
}

func (s *filesystem) enter(n *erofs.Node, out *fuse.EntryOut) {
	out.NodeId = s.id(n.Number())
	out.EntryValid, out.AttrValid = forever, forever
	s.describe(n, &out.Attr)
}

// Lookup finds a name in a directory. That there is none the kernel remembers too.
func (s *filesystem) Lookup(_ <-chan struct{}, header *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	dir, err := s.node(header.NodeId)
	if err != nil {
		return s.fail(err)
	}
	n, err := dir.Lookup(name)
	switch {
	case err != nil:
		return s.fail(err)
	case n == nil:
		*out = fuse.EntryOut{EntryValid: forever}
	default:
		s.enter(n, out)
	}
	return fuse.OK
}

// Forget has nothing to do: nothing is kept of an inode.
func (s *filesystem) Forget(_, _ uint64) {}

func (s *filesystem) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	n, err := s.node(in.NodeId)
	if err != nil {
		return s.fail(err)
	}
	out.AttrValid = forever
	s.describe(n, &out.Attr)
	return fuse.OK
}

func (s *filesystem) Readlink(_ <-chan struct{}, header *fuse.InHeader) ([]byte, fuse.Status) {
	n, err := s.node(header.NodeId)
	if err != nil {
		return nil, s.fail(err)
	}
	target, err := n.Target()
	if err != nil {
		return nil, s.fail(err)
	}
	return []byte(target), fuse.OK
}

// StatFs says of the file system what is known: how long its names are.
func (s *filesystem) StatFs(_ <-chan struct{}, _ *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	*out = fuse.StatfsOut{Bsize: 4096, Frsize: 4096, NameLen: 255}
	return fuse.OK
}

// OpenDir is answered as one of those methods that are not there: the kernel then caches directories by itself.
func (s *filesystem) OpenDir(_ <-chan struct{}, _ *fuse.OpenIn, _ *fuse.OpenOut) fuse.Status {
	return fuse.ENOSYS
}

// Flush is answered as OpenDir is: there is nothing to write when a file is closed.
func (s *filesystem) Flush(_ <-chan struct{}, _ *fuse.FlushIn) fuse.Status { return fuse.ENOSYS }

// ReadDir lists a directory from an offset on, which is one that it gave before, or 0.
func (s *filesystem) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return s.list(in, func(e erofs.NodeEntry, entry fuse.DirEntry) bool { return out.AddDirEntry(entry) })
}

// ReadDirPlus is ReadDir with what Lookup says of each entry.
func (s *filesystem) ReadDirPlus(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return s.list(in, func(e erofs.NodeEntry, entry fuse.DirEntry) bool {
		found := out.AddDirLookupEntry(entry)
		if found == nil {
			return false
		}
		if e.Name == "." || e.Name == ".." {
			return true // the kernel knows them
		}
		// An entry that leads to nothing readable is listed, without an inode: whoever looks it up gets the error.
		if n, err := s.Image.Node(e.Number); err == nil {
			s.enter(n, found)
		}
		return true
	})
}

func (s *filesystem) list(in *fuse.ReadIn, add func(erofs.NodeEntry, fuse.DirEntry) bool) fuse.Status {
	dir, err := s.node(in.NodeId)
	if err != nil {
		return s.fail(err)
	}
	empty := true
	for e, err := range dir.Entries(in.Offset) {
		if err != nil && empty {
			return s.fail(err)
		}
		if err != nil {
			break // the next request begins with it
		}
		if !add(e, fuse.DirEntry{Name: e.Name, Mode: e.Type, Ino: s.id(e.Number), Off: e.Next}) {
			break
		}
		empty = false
	}
	return fuse.OK
}

const (
	overlayPrefix = "user.overlay."
	metacopyName  = overlayPrefix + "metacopy"
	redirectName  = overlayPrefix + "redirect"
)

// GetXAttr returns the value of an xattr in dest, and its length.
func (s *filesystem) GetXAttr(_ <-chan struct{}, header *fuse.InHeader, name string, dest []byte) (uint32, fuse.Status) {
	n, err := s.node(header.NodeId)
	if err != nil {
		return 0, s.fail(err)
	}
	value, ok, err := s.xattr(n, name)
	switch {
	case err != nil:
		return 0, s.fail(err)
	case !ok:
		return 0, fuse.ENOATTR
	}
	return reply(dest, value)
}

func (s *filesystem) xattr(n *erofs.Node, name string) (value []byte, ok bool, err error) {
	if !s.Metadata || !strings.HasPrefix(name, overlayPrefix) {
		return n.Xattr(name)
	}
	if !n.IsRegular() || name != metacopyName && name != redirectName {
		return nil, false, nil
	}
	metacopy, redirect, err := n.Redirect()
	if name == redirectName {
		return redirect, redirect != nil, err
	}
	return metacopy, metacopy != nil, err
}

// ListXAttr returns the names of the xattrs in dest, each with a NUL behind it, and their length.
func (s *filesystem) ListXAttr(_ <-chan struct{}, header *fuse.InHeader, dest []byte) (uint32, fuse.Status) {
	n, err := s.node(header.NodeId)
	if err != nil {
		return 0, s.fail(err)
	}
	xattrs, err := n.Xattrs()
	if err != nil {
		return 0, s.fail(err)
	}
	var names []byte
	for _, x := range xattrs {
		hidden := strings.HasPrefix(x.Name, "trusted.") && !(s.Trusted && header.Uid == 0) ||
			s.Metadata && strings.HasPrefix(x.Name, overlayPrefix)
		if !hidden {
			names = append(append(names, x.Name...), 0)
		}
	}
	return reply(dest, names)
}

// reply copies a value to where it is wanted, if it fits there.
func reply(dest, value []byte) (uint32, fuse.Status) {
	if len(value) > len(dest) {
		return uint32(len(value)), fuse.ERANGE
	}
	return uint32(copy(dest, value)), fuse.OK
}
