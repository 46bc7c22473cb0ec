package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/opencontainers/go-digest"

	"cfs/lib/missing"
	"cfs/lib/objects"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/tool"
	"cfs/lib/verity"
)

// why lists the tags that reach an object, or what an OCI digest stands for, and the mounts
// that do, by their leases.
func (o *options) why() error {
	return o.withRepo(1, o.openToRead, func(r *repo.Repo) error {
		ids, err := objectsOf(r, o.Operands[0])
		if err != nil {
			return err
		}
		k := listing{options: o, repo: r}
		for _, t := range k.tags() {
			reach := oci.NewReach(r, func(error) {})
			if err := reach.AddName(repo.Streams, oci.ManifestName(t.Manifest)); err != nil {
				k.lacks(t, err)
			}
			if !keeps(reach, ids) {
				continue
			}
			if _, err := fmt.Println(t.Tag); err != nil {
				return err
			}
		}
		if err := k.mounts(ids); err != nil {
			return err
		}
		return k.end()
	})
}

// mounts lists the mounts that reach one of ids. No tag begins with an @.
func (k *listing) mounts(ids []verity.ID) error {
	for ref, err := range oci.MountLeases(k.repo) {
		if err != nil {
			k.Warn("mounts: %v", err)
			if !objects.IsStray(err) {
				k.failed = cmp.Or(k.failed, err)
			}
			continue
		}
		reach := oci.NewReach(k.repo, func(error) {})
		if err := reach.AddName(repo.Images, ref.Target); err != nil && !k.repo.Dangles(repo.Images, ref.Target) {
			k.Warn("mounted image: %v", err)
			k.failed = cmp.Or(k.failed, err)
		}
		if !keeps(reach, ids) {
			continue
		}
		m, _ := oci.MountOf(ref)
		if _, err := fmt.Printf("@mount\t%s\t%s\n", ref.Target, m); err != nil {
			return err
		}
	}
	return nil
}

func keeps(k *oci.Reach, ids []verity.ID) bool { return slices.ContainsFunc(ids, k.Has) }

// objectsOf returns what a digest stands for in the repository: an object, or the
// streams that are named by an OCI digest.
func objectsOf(r *repo.Repo, name string) ([]verity.ID, error) {
	if id, err := verity.ParseID(name); err == nil {
		_, err := r.Objects.Size(id)
		return []verity.ID{id}, err
	}
	d := digest.Digest(name)
	if d.Validate() != nil {
		return nil, tool.UsageError("%q is no digest", name)
	}
	var ids []verity.ID
	for _, stream := range oci.Names(d) {
		id, err := r.Lookup(repo.Streams, stream)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	if ids == nil {
		return nil, missing.Errorf("nothing is stored as %s", d)
	}
	return ids, nil
}
