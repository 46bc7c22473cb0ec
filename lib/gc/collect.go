package gc

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"cfs/lib/corrupt"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/verity"
)

// ErrNoRoots means that nothing at all would be kept.
var ErrNoRoots = errors.New("nothing is tagged, referred to, leased or mounted: all objects would be removed")

// Collector removes what no root reaches. Its repository is locked exclusively, or
// shared for a dry run.
type Collector struct {
	Repo       *repo.Repo
	Mounted    []string      // names of mounted images
	Keep       time.Duration // how old leases get
	AllowEmpty bool          // also if there are no roots
	DryRun     bool
	Warn       func(error) // strays, dangling refs and the like, which stop nothing

	reach *Reach
	roots int
	drop  []link             // refs that are to go
	gone  map[link]struct{}  // names and refs that go, or lead nowhere then
	freed map[verity.ID]bool // objects that go
}

// link is a name or a ref.
type link struct {
	category repo.Category
	ref      bool
	name     string
}

// Result says what was removed, or would be.
type Result struct {
	Objects         int
	Bytes           int64
	Images, Streams int // links
	Leftovers       int // of writers that were killed
}

// Run collects. Before all roots were read to their end it removes nothing.
func (c *Collector) Run() (Result, error) {
	c.reach, c.gone, c.freed = NewReach(c.Repo, c.Warn), map[link]struct{}{}, map[verity.ID]bool{}
	for _, category := range []repo.Category{repo.Images, repo.Streams} {
		if err := c.addRoots(category); err != nil {
			return Result{}, err
		}
	}
	before := len(c.reach.Objects)
	if err := c.reach.AddMounted(c.Mounted); err != nil {
		return Result{}, err
	}
	if len(c.reach.Objects) > before {
		c.roots++
	}
	return c.sweep()
}

// addRoots follows the refs of a category. One that leads nowhere is no root.
func (c *Collector) addRoots(category repo.Category) error {
	for ref, err := range c.Repo.Refs(category, "") {
		if err != nil {
			c.Warn(err)
			continue
		}
		if category == repo.Streams && oci.IsLease(ref) && time.Since(ref.Made) > c.Keep {
			c.drop = append(c.drop, link{category, true, ref.Name})
			continue
		}
		err := c.reach.AddName(category, ref.Target)
		if errors.Is(err, fs.ErrNotExist) && c.dangling(category, ref.Target) {
			c.Warn(fmt.Errorf("%s/refs/%s leads nowhere: %s is missing", category, ref.Name, ref.Target))
			c.drop = append(c.drop, link{category, true, ref.Name})
			continue
		}
		if err != nil {
			return corrupt.Errorf("%s/refs/%s cannot be read to its end, nothing was removed: %w", category, ref.Name, err)
		}
		c.roots++
	}
	return nil
}

// dangling reports whether a name, or the object that it stands for, is missing.
func (c *Collector) dangling(category repo.Category, name string) bool {
	id, err := c.Repo.Lookup(category, name)
	if err == nil {
		_, err = c.Repo.ObjectSize(id)
	}
	return errors.Is(err, fs.ErrNotExist)
}

// sweep removes objects, then the links that lead nowhere any more.
func (c *Collector) sweep() (Result, error) {
	var result Result
	var garbage []verity.ID
	for id, err := range c.Repo.Objects() {
		if err != nil {
			c.Warn(err)
		} else if !c.reach.has(id) {
			garbage = append(garbage, id)
		}
	}
	if c.roots == 0 && len(garbage) > 0 && !c.AllowEmpty {
		return result, ErrNoRoots
	}
	for _, id := range garbage {
		size, err := c.remove(id)
		if err != nil {
			return result, fmt.Errorf("remove object %s: %w", id, err)
		}
		c.freed[id] = true
		result.Objects++
		result.Bytes += size
	}
	for _, category := range []repo.Category{repo.Images, repo.Streams} {
		n, err := c.prune(category)
		if err != nil {
			return result, err
		}
		if category == repo.Images {
			result.Images = n
		} else {
			result.Streams = n
		}
	}
	leftovers, err := c.Repo.Leftovers()
	if err != nil {
		return result, err
	}
	result.Leftovers = len(leftovers)
	for _, path := range leftovers {
		if !c.DryRun {
			if err := c.Repo.RemoveLeftover(path); err != nil {
				return result, err
			}
		}
	}
	return result, nil
}

func (c *Collector) remove(id verity.ID) (int64, error) {
	if c.DryRun {
		return c.Repo.ObjectSize(id)
	}
	return c.Repo.RemoveObject(id)
}

// prune removes the names of objects that are gone, and the refs to such names.
func (c *Collector) prune(category repo.Category) (int, error) {
	names, err := c.Repo.Names(category)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		id, err := c.Repo.Lookup(category, name)
		if err != nil {
			c.Warn(err)
			continue
		}
		if _, err := c.Repo.ObjectSize(id); c.freed[id] || errors.Is(err, fs.ErrNotExist) {
			c.gone[link{category, false, name}] = struct{}{}
		}
	}
	for _, l := range c.drop {
		if l.category == category {
			c.gone[l] = struct{}{}
		}
	}
	return c.unlink(category)
}

func (c *Collector) unlink(category repo.Category) (int, error) {
	count := 0
	for l := range c.gone {
		if l.category != category {
			continue
		}
		count++
		if c.DryRun {
			continue
		}
		remove := c.Repo.RemoveName
		if l.ref {
			remove = c.Repo.RemoveRef
		}
		if err := remove(l.category, l.name); err != nil {
			return count, err
		}
	}
	return count, nil
}
