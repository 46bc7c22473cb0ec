package main

import (
	"cfs/lib/oci"
	"cfs/lib/pull"
	"cfs/lib/record"
	"cfs/lib/temporary"
	"cfs/lib/tolerance"
	"cfs/lib/tool"
	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// addBoot makes the boot images of an image. A failure is told of, and takes away
// nothing of the rest: it becomes a record of its own. plain is the tree that the plain
// images were made of, which is used up.
func (m *maker) addBoot(link *oci.Link, plain *tree.Inode) (made []record.Record, err error) {
	if link.IsContainer() {
		made, err = m.makeBoot(link, plain)
	} else {
		err = oci.ErrArtifact
	}
	if err == nil {
		return made, nil
	}
	if temporary.Is(err) {
		return nil, tool.Again("%w", err)
	}
	status := tool.Status(err)
	if status == tool.Usage {
		return nil, err
	}
	tool.Warn(m.c, "%v; all the rest is linked without it", bootError("manifest "+link.Digest.String(), err))
	rec := pull.Partial{What: pull.Boot, Status: status}.Record()
	if m.partial == nil {
		m.partial = tool.Partial(rec)
	}
	return []record.Record{rec}, nil
}

// makeBoot stores the boot image in each format, or the one that is expected.
func (m *maker) makeBoot(link *oci.Link, plain *tree.Inode) ([]record.Record, error) {
	build := func(mode variant.XattrMode) (*tree.Inode, error) {
		if root := plain; mode == variant.AllowlistOnly && root != nil {
			plain = nil
			return root, nil
		}
		return link.Tree(m.repo, mode, tolerance.Strict(m.c.Bool("strict")))
	}
	if !m.expected.IsZero() {
		return m.makeExpected(link, build)
	}
	formats, err := m.formats()
	if err != nil {
		return nil, err
	}
	root, err := build(m.mode)
	if err == nil {
		err = bootVariant(m.repo, root)
	}
	if err != nil {
		return nil, err
	}
	var made []record.Record
	for _, version := range formats {
		id, err := oci.StoreImage(m.repo, root, version)
		if err != nil {
			return nil, err
		}
		made = append(made, pull.ErofsImage{ID: id, Variant: variant.Variant{Boot: true, Format: version, Xattrs: m.mode}}.Record())
	}
	return made, nil
}

// makeExpected stores the boot image that has the expected digest.
func (m *maker) makeExpected(link *oci.Link, build func(variant.XattrMode) (*tree.Inode, error)) ([]record.Record, error) {
	s := search{repo: m.repo, expected: m.expected, tree: build, cached: m.cached(link)}
	v, root, err := s.run()
	if err != nil {
		return nil, err
	}
	if root != nil {
		if _, err := oci.StoreImage(m.repo, root, v.Format); err != nil {
			return nil, err
		}
	}
	s.say(m.c, v)
	return []record.Record{pull.ErofsImage{ID: m.expected, Variant: v}.Record()}, nil
}

// cached returns the EROFS images that the image has already: those of its records,
// and those that its config refers to.
func (m *maker) cached(link *oci.Link) map[string]verity.ID {
	images := map[string]verity.ID{}
	// An image that is not there, or damaged, has none to offer.
	if stored, err := oci.OpenImage(m.repo, link.Digest); err == nil {
		images = stored.Config.Images
	}
	for v, id := range link.Images {
		images[v.Key()] = id
	}
	return images
}
