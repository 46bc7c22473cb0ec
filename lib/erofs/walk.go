package erofs

import (
	"fmt"
	"strings"

	"cfs/lib/corrupt"
)

// walker goes through all names of an image and checks how they hang together.
//
// No walk takes more than the image's length of steps or memory: the parts of an
// image are told apart by nothing but their offsets, so a small image can say
// that many inodes have the same large part. Every part that is read is paid for
// from a budget, which an image without overlaps can't use up.
type walker struct {
	img    *Reader
	budget int

	// visit is called for each name, depth first: for a directory, then for its
	// entries in byte order. name is "" for the root, depth the number of
	// directories above; again tells that in was visited under another name.
	visit func(in *inode, name string, depth int, again bool) error

	seen  []uint64          // a bit for each nid
	links map[uint64]uint32 // nids of leaves: how many names are still to come, or never do
	path  []string          // names of what is being visited
}

func newWalker(img *Reader) walker {
	slots := len(img.data) / slotSize
	return walker{
		img:    img,
		budget: len(img.data),
		seen:   make([]uint64, slots/64+1),
		links:  make(map[uint64]uint32),
	}
}

// spend pays for n bytes of the image.
func (w *walker) spend(n int) error {
	if w.budget -= n; w.budget < 0 {
		return corrupt.Errorf("parts of the image overlap")
	}
	return nil
}

func (w *walker) walk() error {
	err := w.walkRoot()
	if err != nil {
		err = fmt.Errorf("%.200q: %w", "/"+strings.Join(w.path, "/"), err)
	}
	return err
}

func (w *walker) walkRoot() error {
	in, err := w.img.inode(w.img.root)
	if err != nil {
		return err
	}
	if !in.isDir() {
		return corrupt.Errorf("offset %d: the root is not a directory", in.offset())
	}
	return w.first(in, "", in.nid)
}

// first visits an inode that was not met before, in directory parent, and all
// that is below it.
func (w *walker) first(in *inode, name string, parent uint64) error {
	w.seen[in.nid/64] |= 1 << (in.nid % 64)
	if err := w.spend(in.length()); err != nil {
		return err
	}
	if !in.isDir() {
		if in.links == 0 {
			return corrupt.Errorf("offset %d: a link count of 0", in.offset())
		}
		if in.links > 1 {
			w.links[in.nid] = in.links - 1
		}
	}
	if err := w.visit(in, name, len(w.path), false); err != nil {
		return err
	}
	if !in.isDir() {
		return nil
	}
	if len(w.path) > maxDepth {
		return corrupt.Errorf("more than %d directories deep", maxDepth)
	}
	return w.dir(in, parent)
}

// dir visits the entries of a directory.
func (w *walker) dir(in *inode, parent uint64) error {
	var last string
	var dots, subdirs uint32
	for d, err := range in.entries() {
		if err != nil {
			return err
		}
		if d.name <= last {
			return corrupt.Errorf("offset %d: entry %q is out of order", in.offset(), d.name)
		}
		last = d.name
		target := in.nid
		switch d.name {
		case "..":
			target = parent
			fallthrough
		case ".":
			if d.nid != target || d.fileType != fileTypes[in.mode>>modeShift] {
				return corrupt.Errorf("offset %d: entry %q is nid %d, not %d", in.offset(), d.name, d.nid, target)
			}
			dots++
			continue
		}
		child, err := w.entry(d, in.nid)
		if err != nil {
			return err
		}
		if child.isDir() {
			subdirs++
		}
	}
	if dots != 2 {
		return corrupt.Errorf(`offset %d: a directory without "." or ".."`, in.offset())
	}
	if in.links != 2+subdirs {
		return corrupt.Errorf("offset %d: a link count of %d with %d directories", in.offset(), in.links, subdirs)
	}
	return nil
}

// entry visits what an entry of directory dir leads to.
func (w *walker) entry(d dirent, dir uint64) (*inode, error) {
	w.path = append(w.path, d.name)
	in, err := w.img.inode(d.nid)
	if err != nil {
		return nil, err
	}
	if t := fileTypes[in.mode>>modeShift]; t == 0 || t != d.fileType {
		return nil, corrupt.Errorf("offset %d: mode %o under an entry of type %d", in.offset(), in.mode, d.fileType)
	}
	if w.seen[in.nid/64]>>(in.nid%64)&1 == 0 {
		err = w.first(in, d.name, dir)
	} else {
		err = w.again(in, d.name)
	}
	if err != nil {
		return nil, err
	}
	w.path = w.path[:len(w.path)-1]
	return in, nil
}

// again visits an inode under a further name.
func (w *walker) again(in *inode, name string) error {
	switch n := w.links[in.nid]; n {
	case 0:
		return corrupt.Errorf("offset %d: more names than the link count", in.offset())
	case 1:
		delete(w.links, in.nid)
	default:
		w.links[in.nid] = n - 1
	}
	return w.visit(in, name, len(w.path), true)
}
