package verity

import (
	"iter"
	"slices"
)

// Set is a set of digests, which takes little more memory than they do. The zero Set is
// empty.
//
// The digests that begin with the same byte are kept together, as the folders of a
// repository keep objects. Methods that are called with digests of different first bytes,
// Add and Has, may run at once.
type Set struct{ parts [256]part }

// part are digests of which the first ones are sorted, each once.
type part struct {
	ids    []ID
	sorted int
}

// Add adds digests, of which none is zero.
func (s *Set) Add(ids ...ID) {
	for i := range ids {
		p := &s.parts[ids[i].sum[0]]
		p.ids = append(p.ids, ids[i])
		// Those that come again and again never take more than the set itself.
		if len(p.ids) > 2*p.sorted+64 {
			p.sort()
		}
	}
}

func (p *part) sort() {
	if p.sorted == len(p.ids) {
		return
	}
	slices.SortFunc(p.ids, ID.Compare)
	p.ids = slices.Compact(p.ids)
	p.sorted = len(p.ids)
}

// Has reports whether a digest is in the set.
func (s *Set) Has(id ID) bool {
	p := &s.parts[id.sum[0]]
	p.sort()
	_, ok := slices.BinarySearchFunc(p.ids, id, ID.Compare)
	return ok
}

// Len returns how many digests are in the set.
func (s *Set) Len() (n int) {
	for i := range s.parts {
		s.parts[i].sort()
		n += s.parts[i].sorted
	}
	return n
}

// All yields the digests by their first bytes, those of each as ID.Compare orders them.
func (s *Set) All() iter.Seq[ID] {
	return func(yield func(ID) bool) {
		for i := range s.parts {
			s.parts[i].sort()
			for _, id := range s.parts[i].ids {
				if !yield(id) {
					return
				}
			}
		}
	}
}
