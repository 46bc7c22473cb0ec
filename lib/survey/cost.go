package survey

import (
	"errors"
	"fmt"
	"io/fs"

	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/verity"
)

// Cost is what a root keeps, in bytes of objects. An object counts once, and one that is
// missing not at all.
type Cost struct {
	Bytes  int64
	Unique int64 // of objects that no other root keeps
	Err    error // why Bytes is not all; nil if it is
}

// sizes returns the bytes that are known, else nil. The unique ones are not if there may be
// roots that were not counted.
func (c *Cost) sizes(all bool) (size, unique *int64) {
	if c.Err != nil {
		return nil, nil
	}
	if all {
		unique = &c.Unique
	}
	return &c.Bytes, unique
}

// Costs returns what each root keeps. Unique is right only if no root has an Err, and if
// roots are all that there are.
//
// Each stream is read once, whoever needs it, and the size of each object asked for once. So
// memory is in proportion to what the streams refer to, and not to the number of roots.
func Costs(r *repo.Repo, roots []Root) []Cost {
	return count(r, len(roots), func(k *counter, i int) error { return k.walk(roots[i]) })
}

// costsOf is Costs for streams.
func costsOf(r *repo.Repo, streams []verity.ID) []Cost {
	return count(r, len(streams), func(k *counter, i int) error { return k.follow(streams[i]) })
}

// count counts what n roots keep, each of which walk walks.
func count(r *repo.Repo, n int, walk func(k *counter, i int) error) []Cost {
	k := &counter{repo: r, numbers: map[verity.ID]int{}, streams: map[verity.ID]*stream{}}
	costs := make([]Cost, n)
	for i := range costs {
		k.root, k.bytes = i+1, 0
		costs[i].Err = walk(k, i)
		costs[i].Bytes = k.bytes
	}
	for _, o := range k.objects {
		if o.owner > 0 {
			costs[o.owner-1].Unique += o.size
		}
	}
	return costs
}

// counter counts the objects that roots keep.
type counter struct {
	repo    *repo.Repo
	numbers map[verity.ID]int // of objects
	objects []object
	streams map[verity.ID]*stream

	root  int   // the number of the one that is walked, from 1
	bytes int64 // that it keeps
}

// object is one that some root keeps.
type object struct {
	size  int64
	met   int // the last root that met it
	owner int // the only root that keeps it, or shared
}

const shared = -1

// stream is what a stream refers to.
type stream struct {
	objects []int // by their numbers
	next    []verity.ID
	met     int // the last root that met it
}

// walk counts what a root keeps.
func (k *counter) walk(x Root) error {
	if x.LeadsNowhere(k.repo) {
		return nil
	}
	if x.Category == repo.Images {
		return k.image(x)
	}
	id, err := k.repo.Lookup(x.Category, x.Target)
	if err != nil {
		return err
	}
	return k.follow(id)
}

// image counts an EROFS image with the objects of its files.
func (k *counter) image(x Root) error {
	reach := oci.NewReach(k.repo, func(error) {})
	if err := x.Add(reach); err != nil {
		return err
	}
	for id := range reach.Objects.All() {
		n, err := k.number(id)
		if err != nil {
			return err
		}
		k.meet(n)
	}
	return nil
}

// follow counts a stream with all that it refers to.
func (k *counter) follow(id verity.ID) error {
	s, err := k.read(id)
	if err != nil || s.met == k.root {
		return err
	}
	s.met = k.root
	for _, n := range s.objects {
		k.meet(n)
	}
	for _, next := range s.next {
		if err := k.follow(next); err != nil {
			return fmt.Errorf("stream %s: %w", id, err)
		}
	}
	return nil
}

// read reads what a stream refers to, itself among it.
func (k *counter) read(id verity.ID) (*stream, error) {
	if s := k.streams[id]; s != nil {
		return s, nil
	}
	needs, err := oci.ReadNeeds(k.repo, id)
	if err != nil {
		return nil, err
	}
	s := &stream{}
	ids := append([]verity.ID{id}, needs.Objects...)
	for _, ref := range needs.Images {
		ids = append(ids, ref.ID)
	}
	for _, ref := range needs.Streams {
		s.next = append(s.next, ref.ID)
	}
	s.objects = make([]int, len(ids))
	for i, id := range ids {
		if s.objects[i], err = k.number(id); err != nil {
			return nil, err
		}
	}
	k.streams[id] = s
	return s, nil
}

// number returns the number of an object.
func (k *counter) number(id verity.ID) (int, error) {
	if n, ok := k.numbers[id]; ok {
		return n, nil
	}
	size, err := k.repo.Objects.Size(id)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	k.numbers[id] = len(k.objects)
	k.objects = append(k.objects, object{size: size})
	return k.numbers[id], nil
}

// meet counts an object for the root that is walked.
func (k *counter) meet(n int) {
	o := &k.objects[n]
	if o.met == k.root {
		return
	}
	if o.met = k.root; o.owner == 0 {
		o.owner = k.root
	} else {
		o.owner = shared
	}
	k.bytes += o.size
}
