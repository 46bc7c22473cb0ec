package erofs

import (
	"bytes"

	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// Check reads all that Tree reads, and checks further what the images of Write
// keep to, so that the overlay that is mounted of the image shows the tree: that
// whiteouts are escaped in E1, and not in V2; that the root of E1 hides all
// directories of objects; that kernels before 6.12 can read its symbolic links.
func (img *Reader) Check() error {
	return img.Objects(func(verity.ID) error { return nil })
}

// Objects calls do with each object that an image refers to, by digest or by path,
// in the order in which they are met; the same one comes as often as it is referred
// to. It ends with the first error of do, or with what Check finds: until it has
// ended without one, what the image shows can't be told.
func (img *Reader) Objects(do func(verity.ID) error) error {
	r := newReader(img)
	var hidden int
	r.visit = func(in *inode, name string, depth int, again bool) error {
		if depth == 1 && isStubName(name) {
			hidden++
		}
		if again {
			return nil
		}
		_, set, err := r.read(in)
		if err != nil {
			return err
		}
		if err := img.checkInode(in, &set, img.isStub(in, name, depth)); err != nil {
			return err
		}
		return r.objects(&set, do)
	}
	if err := r.walk(); err != nil {
		return err
	}
	if img.format != variant.V2 && hidden != stubs {
		return corrupt.Errorf("the root hides %d directories of objects, not all %d", hidden, stubs)
	}
	return nil
}

// objects calls do with each object that the xattrs of an inode refer to.
func (r *reader) objects(set *xattrSet, do func(verity.ID) error) error {
	digest, ok := parseMetacopy(set.metacopy)
	if ok {
		if err := do(digest); err != nil {
			return err
		}
	}
	path := bytes.TrimPrefix(set.redirect, []byte("/"))
	if len(path) == 0 || ok && isPathOf(path, &digest) {
		return nil
	}
	if id, ok := parseRedirect(path); ok {
		return do(id)
	}
	return nil
}

// checkInode checks what Check says of a single inode.
func (img *Reader) checkInode(in *inode, set *xattrSet, stub bool) error {
	if img.format == variant.V2 {
		if set.whiteout {
			return corrupt.Errorf("offset %d: an escaped whiteout in an image of version 2", in.offset())
		}
		return nil
	}
	if in.isWhiteout() && !stub {
		return corrupt.Errorf("offset %d: a whiteout that is not escaped in an image of version %d", in.offset(), img.format)
	}
	if in.fileType() == unix.S_IFLNK && in.layout == flatInline && in.offset()%blockSize+uint64(in.length()) > blockSize {
		return corrupt.Errorf("offset %d: a symbolic link across two blocks", in.offset())
	}
	return nil
}
