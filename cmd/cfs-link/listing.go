package main

import (
	"cmp"
	"errors"
	"io/fs"

	"cfs/lib/corrupt"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/tool"
)

// listing goes through the tags of a repository, as far as they can be read, and remembers
// whether that was all of them.
type listing struct {
	*options
	repo   *repo.Repo
	failed error // the first reason why the list is not complete
}

// tags returns all tags. What is none is warned of.
func (k *listing) tags() []oci.NamedManifest {
	tags, strays, err := oci.Tags(k.repo)
	for _, stray := range strays {
		k.Warn("%v", stray)
	}
	if err != nil {
		k.Warn("%v", err)
		k.failed = err
	}
	return tags
}

// lacks warns of a tag about which not all is known. One that leads nowhere has no more to
// it; any other makes the list incomplete.
func (k *listing) lacks(t oci.NamedManifest, err error) {
	k.Warn("tag %q: %v", t.Tag, err)
	if k.repo.Dangles(repo.Streams, oci.ManifestName(t.Manifest)) {
		return
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = corrupt.Errorf("%w", err) // what is missing is not the tag
	}
	k.failed = cmp.Or(k.failed, err)
}

// end fails if the list is not complete. All that there is to say has been said.
func (k *listing) end() error {
	if k.failed == nil {
		return nil
	}
	return tool.Silent(tool.Status(k.failed))
}
