package fsck

import (
	"errors"
	"fmt"
	"io/fs"
)

// Repair removes what Run, which must have returned no error, found to be damaged, and the
// names of what is not whole any more, so that pulling the images again makes all of it
// anew. Tags and other refs stay. It returns how many objects and names went. The
// repository is locked exclusively.
func (c *Checker) Repair() (objects, names int, err error) {
	if c.failed != nil {
		return 0, 0, c.failed
	}
	// Names first, and durably: being killed leaves none of something half there.
	for _, l := range c.drop {
		if err := c.Repo.RemoveName(l.category, l.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return objects, names, fmt.Errorf("remove %s/%s: %w", l.category, l.name, err)
		}
		names++
	}
	if err := c.Repo.Sync(); err != nil {
		return objects, names, err
	}
	for id := range c.bad {
		if err := c.Repo.Objects.Remove(id); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return objects, names, fmt.Errorf("remove %w", err)
		}
		objects++
	}
	return objects, names, c.Repo.Sync()
}
