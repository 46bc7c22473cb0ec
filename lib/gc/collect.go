// Package gc removes from a repository what no root reaches.
//
// Roots are the refs of streams and of images, tags and leases among them, and what
// is mounted.
package gc

import (
	"errors"
	"fmt"
	"io"
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

	reach *oci.Reach
	roots int
	drop  []link             // refs that are to go
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

// WriteText writes the result for people, as the reference does.
func (r Result) WriteText(w io.Writer) error {
	text := fmt.Sprintf("Objects: %d removed (%d bytes)\n", r.Objects, r.Bytes)
	if r.Images+r.Streams > 0 {
		text += fmt.Sprintf("Pruned symlinks: %d images, %d streams\n", r.Images, r.Streams)
	}
	if r.Leftovers > 0 {
		text += fmt.Sprintf("Leftovers: %d removed\n", r.Leftovers)
	}
	_, err := io.WriteString(w, text)
	return err
}

// Run collects. Before all roots were read to their end it removes nothing.
func (c *Collector) Run() (Result, error) {
	c.reach, c.freed = oci.NewReach(c.Repo, c.Warn), map[verity.ID]bool{}
	c.roots, c.drop = 0, nil
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
	c.tellOdd()
	return c.sweep()
}

// tellOdd has the repository warn of tagged images that not all tools read alike. That one
// cannot be opened hinders no collection.
func (c *Collector) tellOdd() {
	tags, _ := oci.Tags(c.Repo)
	for _, t := range tags {
		_, _ = oci.OpenImage(c.Repo, t.Manifest)
	}
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
		_, err = c.Repo.Objects.Size(id)
	}
	return errors.Is(err, fs.ErrNotExist)
}

// sweep removes names, and then the objects that nothing reaches. In this order it
// leaves nothing that is half there but has a name, though it be killed: the next
// pull would take that for whole.
func (c *Collector) sweep() (Result, error) {
	var result Result
	var garbage []verity.ID
	for id, err := range c.Repo.Objects.List() {
		if err != nil {
			c.Warn(err)
		} else if !c.reach.Has(id) {
			garbage = append(garbage, id)
			c.freed[id] = true
		}
	}
	if c.roots == 0 && len(garbage) > 0 && !c.AllowEmpty {
		return result, ErrNoRoots
	}
	var err error
	if result.Images, err = c.prune(repo.Images); err != nil {
		return result, err
	}
	if result.Streams, err = c.prune(repo.Streams); err != nil {
		return result, err
	}
	if result.Images+result.Streams > 0 && !c.DryRun {
		if err := c.Repo.Sync(); err != nil {
			return result, err
		}
	}
	for _, id := range garbage {
		size, err := c.remove(id)
		if err != nil {
			return result, fmt.Errorf("remove object %s: %w", id, err)
		}
		result.Objects++
		result.Bytes += size
	}
	result.Leftovers, err = c.removeLeftovers()
	return result, err
}

func (c *Collector) remove(id verity.ID) (int64, error) {
	if c.DryRun {
		return c.Repo.Objects.Size(id)
	}
	return c.Repo.Objects.Remove(id)
}

func (c *Collector) removeLeftovers() (int, error) {
	leftovers, err := c.Repo.Leftovers()
	if err != nil || c.DryRun {
		return len(leftovers), err
	}
	for i, path := range leftovers {
		if err := c.Repo.RemoveLeftover(path); err != nil {
			return i, err
		}
	}
	return len(leftovers), oci.TidyLeases(c.Repo)
}

// prune removes the refs that are to go, and then the names of objects that go or
// are missing.
func (c *Collector) prune(category repo.Category) (int, error) {
	var gone []link
	for _, l := range c.drop {
		if l.category == category {
			gone = append(gone, l)
		}
	}
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
		if _, err := c.Repo.Objects.Size(id); c.freed[id] || errors.Is(err, fs.ErrNotExist) {
			gone = append(gone, link{category, false, name})
		}
	}
	for i, l := range gone {
		if err := c.unlink(l); err != nil {
			return i, err
		}
	}
	return len(gone), nil
}

func (c *Collector) unlink(l link) error {
	switch {
	case c.DryRun:
		return nil
	case l.ref:
		return c.Repo.RemoveRef(l.category, l.name)
	}
	return c.Repo.RemoveName(l.category, l.name)
}
