package erofs

import (
	"strings"

	"cfs/lib/tree"
	"cfs/lib/variant"
)

// Tree reads the tree that an image holds, every name of it, within memory that
// is bounded by the image's length. It is the tree that Write was given, save for
// what an image can't say: V2 has no nanoseconds; an external file's digest and
// path that are one lose the difference; xattrs of the names by which E1 hides
// whiteouts are lost where those would be.
func (img *Reader) Tree() (*tree.Inode, error) {
	return img.readTree(func(*reader, *inode, *tree.Inode) error { return nil })
}

// readTree is Tree, and calls also for each inode of it.
func (img *Reader) readTree(also func(*reader, *inode, *tree.Inode) error) (*tree.Inode, error) {
	r := newReader(img)
	var dirs []*tree.Inode // from the root to the last one visited
	leaves := make(map[uint64]*tree.Inode)
	r.visit = func(in *inode, name string, depth int, again bool) error {
		if again {
			dirs[depth-1].Put(name, leaves[in.nid])
			return nil
		}
		n, _, err := r.read(in)
		if err != nil || img.isStub(in, name, depth) {
			return err
		}
		if depth > 0 {
			dirs[depth-1].Put(name, n)
		}
		if in.isDir() {
			dirs = append(dirs[:depth], n)
		} else if in.links > 1 {
			leaves[in.nid] = n
		}
		return also(r, in, n)
	}
	if err := r.walk(); err != nil {
		return nil, err
	}
	for nid, n := range leaves {
		n.Unnamed = r.links[nid]
	}
	return dirs[0], nil
}

// isStub reports whether an entry is one of those that Write adds to the root.
func (img *Reader) isStub(in *inode, name string, depth int) bool {
	return img.format != variant.V2 && depth == 1 && isStubName(name) && in.isWhiteout()
}

// isStubName reports whether name is that of a directory of objects: two hex
// digits in lower case.
func isStubName(name string) bool {
	const digits = "0123456789abcdef"
	return len(name) == 2 && strings.IndexByte(digits, name[0]) >= 0 && strings.IndexByte(digits, name[1]) >= 0
}
