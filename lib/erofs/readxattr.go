package erofs

import (
	"bytes"
	"iter"

	"cfs/lib/corrupt"
	"cfs/lib/verity"
)

// storedXattr is an xattr that was read.
type storedXattr struct {
	index         uint8
	suffix, value []byte
	shared        uint64 // its offset if it is a shared one, else 0
}

func (x *storedXattr) size() int {
	return int(align(uint64(xattrEntrySize+len(x.suffix)+len(x.value)), xattrUnit))
}

// parseXattr reads the entry at the start of b.
func parseXattr(b []byte) (storedXattr, error) {
	var x storedXattr
	if len(b) < xattrEntrySize {
		return x, corrupt.Errorf("an xattr of %d bytes", len(b))
	}
	x.index = b[1]
	name, value := int(b[0]), int(le.Uint16(b[2:]))
	rest := b[xattrEntrySize:]
	if name+value > len(rest) {
		return x, corrupt.Errorf("an xattr of %d bytes, but there are only %d", name+value, len(rest))
	}
	x.suffix, x.value = rest[:name], rest[name:name+value]
	switch {
	case x.size() > len(b):
		return x, corrupt.Errorf("an xattr of %d bytes, but there are only %d", x.size(), len(b))
	case int(x.index) >= len(xattrPrefixes):
		return x, corrupt.Errorf("unknown xattr name index %d", x.index)
	case x.index == 0 && name == 0 || bytes.IndexByte(x.suffix, 0) >= 0:
		return x, corrupt.Errorf("%q is no name for an xattr", x.suffix)
	}
	return x, nil
}

// storedXattrs gives the xattrs of an inode until one of them is wrong: shared
// ones, then those in the inode.
func (img *Reader) storedXattrs(in *inode) iter.Seq2[storedXattr, error] {
	return func(yield func(storedXattr, error) bool) {
		if len(in.xattrs) == 0 {
			return
		}
		shared := int(in.xattrs[4])
		own := in.xattrs[xattrBlockSize:]
		if xattrRefSize*shared > len(own) {
			yield(storedXattr{}, corrupt.Errorf("offset %d: %d shared xattrs in %d bytes", in.offset(), shared, len(own)))
			return
		}
		for ; shared > 0; shared-- {
			x, err := img.sharedXattr(le.Uint32(own))
			if !yield(x, err) || err != nil {
				return
			}
			own = own[xattrRefSize:]
		}
		for len(own) > 0 {
			x, err := parseXattr(own)
			if err != nil {
				err = corrupt.Errorf("offset %d: %w", in.offset(), err)
			}
			if !yield(x, err) || err != nil {
				return
			}
			own = own[x.size():]
		}
	}
}

func (img *Reader) sharedXattr(ref uint32) (storedXattr, error) {
	offset := img.xattrs + xattrUnit*uint64(ref)
	if offset >= uint64(len(img.data)) {
		return storedXattr{}, corrupt.Errorf("offset %d: a shared xattr beyond the end", offset)
	}
	x, err := parseXattr(img.data[offset:])
	if err != nil {
		return storedXattr{}, corrupt.Errorf("offset %d: %w", offset, err)
	}
	x.shared = offset
	return x, nil
}

// parseMetacopy returns the digest in a metacopy xattr that has one.
func parseMetacopy(value []byte) (verity.ID, bool) {
	if len(value) < metacopySize || value[0] != 0 || int(value[1]) != len(value) || value[2] != 0 {
		return verity.ID{}, false
	}
	a := verity.Algorithm(value[3])
	digest := value[metacopySize:]
	if a != verity.SHA256 && a != verity.SHA512 || len(digest) != a.Size() {
		return verity.ID{}, false
	}
	return a.MakeID(digest), true
}

// parseRedirect returns the object that a redirect leads to, if it does.
func parseRedirect(value []byte) (verity.ID, bool) {
	longest := len("/XX/") + 2*verity.SHA512.Size()
	return verity.ParseObjectPath(string(value[max(0, len(value)-longest):]))
}
