package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"

	"cfs/lib/corrupt"
	"cfs/lib/mount"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/survey"
	"cfs/lib/tool"
)

// listing goes through the tags of a repository, as far as they can be read, and remembers
// whether that was all of them.
type listing struct {
	*options
	repo   *repo.Repo
	failed error // the first reason why the list is not complete
	warned map[string]bool
}

// warn warns of something, once.
func (k *listing) warn(err error) {
	if k.warned[err.Error()] {
		return
	}
	if k.warned == nil {
		k.warned = map[string]bool{}
	}
	k.warned[err.Error()] = true
	k.Warn("%v", err)
}

// fails warns of why the list is not complete.
func (k *listing) fails(err error) {
	k.warn(err)
	k.failed = cmp.Or(k.failed, err)
}

// tags returns all tags. What is none is warned of.
func (k *listing) tags() []oci.NamedManifest {
	tags, strays, err := oci.Tags(k.repo)
	for _, stray := range strays {
		k.warn(stray)
	}
	if err != nil {
		k.fails(err)
	}
	return tags
}

// roots returns all that keeps objects.
func (k *listing) roots() []survey.Root {
	mounted, err := mount.Mounted()
	if err != nil {
		k.fails(err)
		mounted = &mount.Mounts{}
	}
	roots, err := survey.Roots(k.repo, mounted, k.warn)
	if err != nil {
		k.fails(err)
	}
	return roots
}

// lacks warns of a root about which not all is known. One that leads nowhere has no more to
// it; any other makes the list incomplete.
func (k *listing) lacks(x survey.Root, err error) {
	err = fmt.Errorf("%s: %w", x, err)
	if x.LeadsNowhere(k.repo) {
		k.warn(err)
		return
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = corrupt.Errorf("%w", err) // what is missing is not the root
	}
	k.fails(err)
}

// end fails if the list is not complete. All that there is to say has been said.
func (k *listing) end() error {
	if k.failed == nil {
		return nil
	}
	return tool.Silent(tool.Status(k.failed))
}
