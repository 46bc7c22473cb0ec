package erofs

import (
	"encoding/hex"
	"hash/maphash"

	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// xattrTable holds every pair of name and value of an image's xattrs once, with
// how many inodes have it: those that more than one has are shared.
//
// What objects give, two pairs for most files of a large tree, is kept as the
// object's ID and made into bytes when it is written.
type xattrTable struct {
	format   variant.Format
	metacopy xattrName
	redirect xattrName

	pairs   []pair
	byPair  map[tree.Xattr]xattrRef
	objects []object
	byHash  map[uint64]uint32 // the object that was added last
	seed    maphash.Seed
	lastID  *verity.ID // that was looked for, and what was found: each inode
	lastRef xattrRef   // asks for its object twice

	shared []xattrRef // in the order of the image
	size   uint64     // of the shared ones, in bytes
	hasACL bool
}

// xattrRef is a pair, or the metacopy or redirect of an object, by its number.
type xattrRef uint32

const (
	refNumber   = 1<<30 - 1
	refMetacopy = 1 << 30
	refRedirect = 1 << 31

	// maxRefs is more than an image can have: each takes 4 bytes there.
	maxRefs = refNumber
)

type pair struct {
	xattrName
	value string
	use   use
}

type object struct {
	id                 *verity.ID
	next               uint32 // the one added before it with the same hash
	metacopy, redirect use
}

// use is how many inodes have an xattr, and where it is if that is shared, in
// xattrUnit from the start of those.
type use struct{ count, at uint32 }

// newXattrTable returns a table with room for so many objects.
func newXattrTable(v variant.Format, objects int) *xattrTable {
	return &xattrTable{
		format:   v,
		metacopy: newXattrName(v, metacopyName),
		redirect: newXattrName(v, redirectName),
		byPair:   make(map[tree.Xattr]xattrRef),
		objects:  make([]object, 0, objects),
		byHash:   make(map[uint64]uint32, objects),
		seed:     maphash.MakeSeed(),
	}
}

// add counts that one more inode has x.
func (t *xattrTable) add(x xattr) xattrRef {
	var r xattrRef
	switch {
	case x.object == nil:
		r = t.findPair(x.Xattr)
	case x.Name == metacopyName:
		r = t.findObject(x.object) | refMetacopy
	default:
		r = t.findObject(x.object) | refRedirect
	}
	t.use(r).count++
	return r
}

func (t *xattrTable) findPair(x tree.Xattr) xattrRef {
	r, ok := t.byPair[x]
	if !ok {
		r = xattrRef(len(t.pairs))
		name := newXattrName(t.format, x.Name)
		t.pairs = append(t.pairs, pair{xattrName: name, value: x.Value})
		t.byPair[x] = r
		t.hasACL = t.hasACL || name.isACL()
	}
	return r
}

func (t *xattrTable) findObject(id *verity.ID) xattrRef {
	if id != t.lastID {
		t.lastID, t.lastRef = id, t.lookUpObject(id)
	}
	return t.lastRef
}

// lookUpObject looks for an ID by its hash, whose seed nobody can know: digests
// are what a tree says, and could be made to collide.
func (t *xattrTable) lookUpObject(id *verity.ID) xattrRef {
	hash := maphash.Comparable(t.seed, *id)
	last, ok := t.byHash[hash]
	if !ok {
		last = none
	}
	for i := last; i != none; i = t.objects[i].next {
		if *t.objects[i].id == *id {
			return xattrRef(i)
		}
	}
	r := xattrRef(len(t.objects))
	t.objects = append(t.objects, object{id: id, next: last})
	t.byHash[hash] = uint32(r)
	return r
}

func (t *xattrTable) use(r xattrRef) *use {
	switch i := r & refNumber; r &^ refNumber {
	case refMetacopy:
		return &t.objects[i].metacopy
	case refRedirect:
		return &t.objects[i].redirect
	default:
		return &t.pairs[i].use
	}
}

func (t *xattrTable) name(r xattrRef) xattrName {
	switch r &^ refNumber {
	case refMetacopy:
		return t.metacopy
	case refRedirect:
		return t.redirect
	default:
		return t.pairs[r].xattrName
	}
}

func (t *xattrTable) appendValue(b []byte, r xattrRef) []byte {
	switch i := r & refNumber; r &^ refNumber {
	case refMetacopy:
		id := t.objects[i].id
		a := id.Algorithm()
		b = append(b, 0, uint8(metacopySize+a.Size()), 0, uint8(a))
		return append(b, id.Bytes()...)
	case refRedirect:
		digest := t.objects[i].id.Bytes() // "/" and verity.ID.ObjectPath
		b = hex.AppendEncode(append(b, '/'), digest[:1])
		return hex.AppendEncode(append(b, '/'), digest[1:])
	default:
		return append(b, t.pairs[i].value...)
	}
}

func (t *xattrTable) valueSize(r xattrRef) int {
	switch i := r & refNumber; r &^ refNumber {
	case refMetacopy:
		return metacopySize + t.objects[i].id.Algorithm().Size()
	case refRedirect:
		return len("//") + 2*t.objects[i].id.Algorithm().Size()
	default:
		return len(t.pairs[i].value)
	}
}

// entrySize returns the size of an xattr's entry with its padding.
func (t *xattrTable) entrySize(r xattrRef) uint32 {
	return uint32(align(uint64(xattrEntrySize+len(t.name(r).suffix())+t.valueSize(r)), xattrUnit))
}

// appendEntry appends an xattr's entry with its padding.
func (t *xattrTable) appendEntry(b []byte, r xattrRef) []byte {
	name := t.name(r)
	suffix := name.suffix()
	size := t.valueSize(r)
	b = append(b, uint8(len(suffix)), name.index)
	b = le.AppendUint16(b, uint16(size))
	b = t.appendValue(append(b, suffix...), r)
	for n := xattrEntrySize + len(suffix) + size; n%xattrUnit != 0; n++ {
		b = append(b, 0)
	}
	return b
}
