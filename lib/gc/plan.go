package gc

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"cfs/lib/corrupt"
	"cfs/lib/objects"
	"cfs/lib/repo"
	"cfs/lib/verity"
)

// plan is what a collection is going to remove. It is made before anything is removed, and
// making it reads all that a collection reads: an error stops it in time.
type plan struct {
	links     map[repo.Category][]link // refs, then names
	objects   []garbage
	leftovers []string
}

// garbage is an object that nothing reaches.
type garbage struct {
	id   verity.ID
	size int64
}

// makePlan looks for what the roots do not reach.
func (c *Collector) makePlan() (p plan, err error) {
	if err := c.findGarbage(&p); err != nil {
		return p, err
	}
	if c.roots == 0 && len(p.objects) > 0 && !c.AllowEmpty {
		return p, ErrNoRoots
	}
	freed := make(map[verity.ID]bool, len(p.objects))
	for _, g := range p.objects {
		freed[g.id] = true
	}
	p.links = make(map[repo.Category][]link)
	for _, category := range categories {
		if p.links[category], err = c.findLinks(category, freed); err != nil {
			return p, err
		}
	}
	p.leftovers, err = c.Repo.Leftovers()
	return p, err
}

// findGarbage lists the objects on all cores, a folder at a time.
func (c *Collector) findGarbage(p *plan) error {
	var found [256][]garbage
	var strays [256][]*objects.Stray
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for first := range 256 {
		group.Go(func() (err error) {
			found[first], strays[first], err = c.inFolder(byte(first))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for first := range 256 {
		for _, stray := range strays[first] {
			c.Warn(stray)
		}
		p.objects = append(p.objects, found[first]...)
	}
	return nil
}

// inFolder returns what nothing reaches of the objects whose digest begins with a byte.
func (c *Collector) inFolder(first byte) (found []garbage, strays []*objects.Stray, err error) {
	ids, strays, err := c.Repo.Objects.Folder(first)
	if err != nil {
		return nil, nil, err
	}
	for _, id := range ids {
		if c.reach.Has(id) {
			continue
		}
		size, err := c.Repo.Objects.Size(id)
		if err != nil {
			return nil, nil, err
		}
		found = append(found, garbage{id, size})
	}
	slices.SortFunc(found, func(a, b garbage) int { return a.id.Compare(b.id) })
	return found, strays, nil
}

// findLinks returns the refs that are to go, and the names of objects that go or are
// missing.
func (c *Collector) findLinks(category repo.Category, freed map[verity.ID]bool) ([]link, error) {
	var gone []link
	for _, l := range c.drop {
		if l.category == category {
			gone = append(gone, l)
		}
	}
	names, err := c.Repo.Names(category)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		id, err := c.Repo.Lookup(category, name)
		if corrupt.Is(err) { // no name of an object
			c.Warn(err)
			continue
		}
		if err != nil {
			return nil, err
		}
		_, err = c.Repo.Objects.Size(id)
		switch {
		case freed[id], errors.Is(err, fs.ErrNotExist):
			gone = append(gone, link{category, false, name})
		case err != nil:
			return nil, err
		}
	}
	return gone, nil
}

// tell tells Removing of a plan, in the order in which it is carried out.
func (c *Collector) tell(p plan) error {
	if c.Removing == nil {
		return nil
	}
	for _, category := range []repo.Category{repo.Images, repo.Streams} {
		for _, l := range p.links[category] {
			if err := c.Removing(l.path(), -1); err != nil {
				return err
			}
		}
	}
	for _, g := range p.objects {
		if err := c.Removing("objects/"+g.id.ObjectPath(), g.size); err != nil {
			return err
		}
	}
	for _, path := range p.leftovers {
		if err := c.Removing(path, -1); err != nil {
			return err
		}
	}
	return nil
}

// path is that of a link in its repository.
func (l link) path() string {
	if l.ref {
		return fmt.Sprintf("%s/refs/%s", l.category, l.name)
	}
	return fmt.Sprintf("%s/%s", l.category, l.name)
}
