package erofs

import (
	"cfs/lib/variant"
	"cmp"
	"fmt"
	"slices"
	"strings"
)

const (
	// maxSharedE1 is how many xattrs of an inode mkcomposefs makes references to
	// shared ones. It stores further ones in the inode, and in the table of the
	// shared ones all the same.
	maxSharedE1 = 128

	maxICount = 65535 // i_xattr_icount is a u16
)

// share gives the shared xattrs their order and their places.
func (t *xattrTable) share() {
	for i := range t.pairs {
		t.shareIfUsed(xattrRef(i))
	}
	for i := range t.objects {
		t.shareIfUsed(xattrRef(i) | refMetacopy)
		t.shareIfUsed(xattrRef(i) | refRedirect)
	}
	t.sortShared()
	for _, r := range t.shared {
		t.use(r).at = uint32(t.size / xattrUnit)
		t.size += uint64(t.entrySize(r))
	}
}

func (t *xattrTable) shareIfUsed(r xattrRef) {
	if t.use(r).count > 1 {
		t.shared = append(t.shared, r)
	}
}

// sortShared sorts by name and value: in E1 backwards, the longer value first;
// in E2 by the index of the name's prefix before the rest of it.
func (t *xattrTable) sortShared() {
	type row struct {
		ref xattrRef
		xattrName
		value string
	}
	rows := make([]row, len(t.shared))
	for i, r := range t.shared {
		rows[i] = row{r, t.name(r), string(t.appendValue(nil, r))}
	}
	compare := func(a, b row) int {
		return cmp.Or(
			strings.Compare(b.full, a.full),
			cmp.Compare(len(b.value), len(a.value)),
			strings.Compare(b.value, a.value))
	}
	if t.format == variant.V2 {
		compare = func(a, b row) int {
			return cmp.Or(
				cmp.Compare(a.index, b.index),
				strings.Compare(a.full, b.full),
				strings.Compare(a.value, b.value))
		}
	}
	slices.SortFunc(rows, compare)
	for i := range rows {
		t.shared[i] = rows[i].ref
	}
}

// splitXattrs moves the xattrs of a node that become references before those
// that are stored in the inode, and sets the size of both together.
func (b *builder) splitXattrs(n *node) error {
	refs := b.refs[n.xattrs:n.xattrsEnd]
	if len(refs) == 0 {
		return nil
	}
	shared := b.scratch[:0]
	own := refs[:0]
	size := uint64(xattrBlockSize)
	for _, r := range refs {
		if b.xattrs.use(r).count > 1 && (b.format == variant.V2 || len(shared) < maxSharedE1) {
			shared = append(shared, r)
			size += xattrRefSize
		} else {
			own = append(own, r)
			size += uint64(b.xattrs.entrySize(r))
		}
	}
	copy(refs[len(shared):], own)
	copy(refs, shared)
	b.scratch = shared
	if len(shared) > maxXattrShared {
		return fmt.Errorf("%d xattrs that other inodes have too, more than version 2 can hold: %d", len(shared), maxXattrShared)
	}
	if size > xattrsSize(maxICount) {
		return fmt.Errorf("%d bytes of xattrs, more than an inode can hold: %d", size, xattrsSize(maxICount))
	}
	n.shared = uint8(len(shared))
	n.xattrsSize = uint32(size)
	return nil
}
