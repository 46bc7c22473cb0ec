package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"cfs/lib/inspect"
	"cfs/lib/lookup"
	"cfs/lib/oci"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/survey"
	"cfs/lib/terminal"
	"cfs/lib/tool"
	"cfs/lib/tree"
	"cfs/lib/verity"
)

// why lists what keeps the objects that digests stand for: tags, refs, leases and mounts.
func (o *options) why() error { return o.withListing(1, many, (*listing).why) }

func (k *listing) why() error {
	wanted := make([][]verity.ID, len(k.Operands))
	for i, name := range k.Operands {
		var err error
		if wanted[i], err = lookup.Objects(k.repo, name); errors.Is(err, lookup.ErrNoDigest) {
			return tool.UsageError("%w", err)
		} else if err != nil {
			return err
		}
	}
	roots := k.roots()
	for i, name := range k.Operands {
		if err := k.keepers(name, wanted[i], roots); err != nil {
			return err
		}
	}
	return nil
}

// keepers prints the roots that keep one of some objects, which are what an operand names.
func (k *listing) keepers(name string, ids []verity.ID, roots []survey.Root) error {
	var before survey.Keeper
	found := false
	for _, x := range roots {
		keeps, err := survey.Keeps(k.repo, x, ids)
		if err != nil {
			k.lacks(x, err)
		}
		entry := survey.NewKeeper(name, x)
		if !keeps || entry == before { // one of several leases of a pull
			continue
		}
		before, found = entry, true
		if err := k.printKeeper(entry, x, ids); err != nil {
			return err
		}
	}
	if !found && k.failed == nil {
		k.Warn("nothing keeps %s: the next garbage collection removes it", name)
	}
	return nil
}

// printKeeper prints a root, with --paths once for each path.
func (k *listing) printKeeper(entry survey.Keeper, x survey.Root, ids []verity.ID) error {
	if !k.paths {
		return k.printEntry(entry)
	}
	root, err := k.tree(x)
	if err != nil {
		k.lacks(x, err)
	}
	printed := false
	if root != nil {
		for path := range inspect.Paths(root, func(id verity.ID) bool { return slices.Contains(ids, id) }) {
			printed = true
			if err := k.printEntry(entry.At(path)); err != nil {
				return err
			}
		}
	}
	if printed {
		return nil
	}
	return k.printEntry(entry)
}

// tree returns the file system that a root leads to, nil if it is none.
func (k *listing) tree(x survey.Root) (*tree.Inode, error) {
	if x.Category == repo.Images {
		id, err := k.repo.Lookup(repo.Images, x.Target)
		if errors.Is(err, fs.ErrNotExist) { // it is mounted by another name than its digest
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return inspect.StoredRoot(k.repo, id)
	}
	kind, d, ok := oci.ParseName(x.Target)
	if !ok || kind != oci.KindManifest {
		return nil, nil
	}
	image, err := oci.OpenImage(k.repo, d)
	if err != nil {
		return nil, err
	}
	return inspect.Root(k.repo, image)
}

func (k *listing) printEntry(entry survey.Keeper) error {
	if k.JSON {
		return record.WriteJSON(os.Stdout, entry)
	}
	line := entry.String()
	if terminal.Is(os.Stdout) {
		line = entry.Line()
	}
	if len(k.Operands) > 1 {
		line = string(entry.Of) + "\t" + line
	}
	_, err := fmt.Println(line)
	return err
}
