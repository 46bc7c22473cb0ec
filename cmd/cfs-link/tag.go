package main

import (
	"errors"
	"io/fs"
	"slices"
	"strings"

	"cfs/lib/lookup"
	"cfs/lib/oci"
	"cfs/lib/pull"
	"cfs/lib/record"
	"cfs/lib/repo"
)

// show writes the records of images, one after the other.
func (o *options) show() error {
	return o.withRepo(1, many, o.openToRead, func(r *repo.Repo) error {
		var list []record.Record
		for _, name := range o.Operands {
			image, err := lookup.Image(r, name)
			if err != nil {
				return err
			}
			records, err := pull.Records(r, image, nil)
			if err != nil {
				return err
			}
			artifacts, err := pull.StoredReferrers(r, image)
			if err != nil {
				return err
			}
			list = slices.Concat(list, records[:len(records)-1], artifacts, records[len(records)-1:])
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
	return o.withRepo(2, 2, o.OpenToWrite, func(r *repo.Repo) error {
		name := o.Operands[1]
		if err := checkTag(name); err != nil {
			return err
		}
		image, err := lookup.Image(r, o.Operands[0])
		if err != nil {
			return err
		}
		if err := keepSource(r, o.Operands[0], oci.NamedManifest{Tag: name, Manifest: image.Manifest.Digest}); err != nil {
			return err
		}
		return oci.SetTag(r, name, image.Manifest.Digest)
	})
}

// keepSource lets a tag that is about to be made remember where its image was pulled from, if the
// operand that names the image is a tag which does.
func keepSource(r *repo.Repo, operand string, tag oci.NamedManifest) error {
	d, err := oci.Tag(r, operand)
	if errors.Is(err, fs.ErrNotExist) || err == nil && d != tag.Manifest {
		return nil
	}
	var source string
	if err == nil {
		source, err = oci.SourceOf(r, oci.NamedManifest{Tag: operand, Manifest: d})
	}
	if err != nil || source == "" || source == tag.Tag {
		return err
	}
	return oci.SetSource(r, tag.Tag, tag.Manifest, source)
}

// untag removes tags and refs of EROFS images: all that the operands name, or none.
func (o *options) untag() error {
	return o.withRepo(1, many, o.OpenToWrite, func(r *repo.Repo) error {
		var remove []func() error
		for _, operand := range o.Operands {
			found, err := removals(r, operand)
			if err != nil {
				return err
			}
			remove = append(remove, found...)
		}
		for _, do := range remove {
			if err := do(); err != nil {
				return err
			}
		}
		return nil
	})
}

// removals returns what removes the tags that an operand names, or if it begins with "refs/"
// and is no tag, the refs of EROFS images.
func removals(r *repo.Repo, operand string) (list []func() error, err error) {
	tagged, err := oci.HasTag(r, operand)
	if err != nil {
		return nil, err
	}
	name, isRef := strings.CutPrefix(operand, "refs/")
	switch {
	case tagged:
		return []func() error{func() error { return oci.RemoveTag(r, operand) }}, nil
	case isRef:
		names, err := oci.MatchImageRefs(r, name)
		for _, name := range names {
			list = append(list, func() error { return oci.RemoveImageRef(r, name) })
		}
		return list, err
	case !oci.IsPattern(operand):
		return nil, oci.NoTag(r, operand)
	}
	tags, _, err := oci.Tags(r) // strays are no tags
	if err != nil {
		return nil, err
	}
	matched, err := matchTags(tags, operand)
	for _, tag := range matched {
		list = append(list, func() error { return oci.RemoveTag(r, tag.Tag) })
	}
	return list, err
}
