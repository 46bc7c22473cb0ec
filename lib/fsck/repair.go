package fsck

import (
	"errors"
	"fmt"
	"io/fs"
)

// Repair removes what Run found to be damaged, and the names of what is not whole
// any more, so that pulling the images again makes all of it anew. Tags and other
// refs stay. It returns how many objects and names went. The repository is locked
// exclusively.
func (c *Checker) Repair() (objects, names int, err error) {
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
		_, err := c.Repo.Objects.Remove(id)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return objects, names, fmt.Errorf("remove object %s: %w", id, err)
		}
		objects++
	}
	return objects, names, c.Repo.Sync()
}
