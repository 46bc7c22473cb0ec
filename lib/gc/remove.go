package gc

import (
	"fmt"

	"cfs/lib/built"
	"cfs/lib/oci"
	"cfs/lib/repo"
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
	for _, g := range p.objects {
		if !c.DryRun {
			if err := c.Repo.Objects.Remove(g.id); err != nil {
				return result, fmt.Errorf("remove %w", err)
			}
		}
		result.Objects++
		result.Bytes += g.size
	}
	if result.Leftovers, err = c.removeLeftovers(p.leftovers); err != nil || c.DryRun {
		return result, err
	}
	return result, c.Repo.Objects.RemoveDeadMarks()
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
