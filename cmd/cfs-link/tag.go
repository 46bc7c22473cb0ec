package main

import (
	"cfs/lib/lookup"
	"cfs/lib/oci"
	"cfs/lib/pull"
	"cfs/lib/repo"
)

// show writes the records of an image.
func (o *options) show() error {
	return o.withRepo(1, o.openToRead, func(r *repo.Repo) error {
		image, err := lookup.Image(r, o.Operands[0])
		if err != nil {
			return err
		}
		list, err := pull.Records(r, image, nil)
		if err != nil {
			return err
		}
		out := o.Records()
		for _, rec := range list {
			if err := out.Write(rec); err != nil {
				return err
			}
		}
		return nil
	})
}

// tagImage gives an image a further tag, or moves that to it.
func (o *options) tagImage() error {
	return o.withRepo(2, o.OpenToWrite, func(r *repo.Repo) error {
		name := o.Operands[1]
		if err := checkTag(name); err != nil {
			return err
		}
		image, err := lookup.Image(r, o.Operands[0])
		if err != nil {
			return err
		}
		return oci.SetTag(r, name, image.Manifest.Digest)
	})
}

func (o *options) untag() error {
	return o.withRepo(1, o.OpenToWrite, func(r *repo.Repo) error { return oci.RemoveTag(r, o.Operands[0]) })
}
