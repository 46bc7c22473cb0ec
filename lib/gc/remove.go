package gc

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"cfs/lib/built"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/verity"
)

// carryOut removes links, and then the objects that nothing reaches. In this order it
// leaves nothing that is half there but has a name, though it be killed: the next pull
// would take that for whole.
func (c *Collector) carryOut(p plan) (result Result, err error) {
	if result.Images, err = c.unlink(p.links[repo.Images]); err != nil {
		return result, err
	}
	if result.Streams, err = c.unlink(p.links[repo.Streams]); err != nil {
		return result, err
	}
	if result.Images+result.Streams > 0 && !c.DryRun {
		if err := c.Repo.Sync(); err != nil {
			return result, err
		}
	}
	if result.Objects, result.Bytes, err = c.removeObjects(p.objects); err != nil {
		return result, err
	}
	if result.Leftovers, err = c.removeLeftovers(p.leftovers); err != nil || c.DryRun {
		return result, err
	}
	return result, c.Repo.Objects.RemoveDeadMarks()
}

// removeObjects removes objects on all cores, each core in folders of its own, and returns
// how many were removed and their size.
func (c *Collector) removeObjects(list []garbage) (n int, size int64, err error) {
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(context.Background())
	group.SetLimit(runtime.GOMAXPROCS(0))
	for len(list) > 0 {
		folder := list[0].id.Bytes()[0]
		end := slices.IndexFunc(list, func(g garbage) bool { return g.id.Bytes()[0] != folder })
		if end < 0 {
			end = len(list)
		}
		some := list[:end]
		list = list[end:]
		group.Go(func() error {
			for _, g := range some {
				if ctx.Err() != nil {
					return nil // another one has failed
				}
				if err := c.removeObject(g.id); err != nil {
					return err
				}
				mu.Lock()
				n, size = n+1, size+g.size
				mu.Unlock()
			}
			return nil
		})
	}
	err = group.Wait()
	return n, size, err
}

func (c *Collector) removeObject(id verity.ID) error {
	if c.DryRun {
		return nil
	}
	if err := c.Repo.Objects.Remove(id); err != nil {
		return fmt.Errorf("remove %w", err)
	}
	return nil
}

func (c *Collector) removeLeftovers(paths []string) (int, error) {
	if c.DryRun {
		return len(paths), nil
	}
	for i, path := range paths {
		if err := c.Repo.RemoveLeftover(path); err != nil {
			return i, err
		}
	}
	if err := built.Tidy(c.Repo); err != nil {
		return len(paths), err
	}
	if err := oci.TidySources(c.Repo); err != nil {
		return len(paths), err
	}
	return len(paths), oci.TidyLeases(c.Repo)
}

// unlink removes links and returns how many.
func (c *Collector) unlink(links []link) (int, error) {
	if c.DryRun {
		return len(links), nil
	}
	for i, l := range links {
		remove := c.Repo.RemoveName
		if l.ref {
			remove = c.Repo.RemoveRef
		}
		if err := remove(l.category, l.name); err != nil {
			return i, err
		}
	}
	return len(links), nil
}
