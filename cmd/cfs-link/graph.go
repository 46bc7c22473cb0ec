package main

import (
	"fmt"
	"os"

	"cfs/lib/lookup"
	"cfs/lib/oci"
	"cfs/lib/survey"
)

// graph draws which tags lead to which manifests, configs, layers and EROFS images.
func (o *options) graph() error {
	if err := o.Check(graphRules); err != nil {
		return err
	}
	return o.withListing(0, many, (*listing).graph)
}

func (k *listing) graph() error {
	g := survey.NewGrapher(k.repo)
	if err := k.fill(g); err != nil {
		return err
	}
	drawn := g.Graph(func(key oci.Key, err error) { k.fails(fmt.Errorf("layer %s: its size is not known: %w", key, err)) })
	write := drawn.WriteText
	switch {
	case k.dot:
		write = drawn.WriteDOT
	case k.svg:
		write = drawn.WriteSVG
	}
	return write(os.Stdout)
}

// fill adds the images of the operands to a graph, those of all tags if there are none.
func (k *listing) fill(g *survey.Grapher) error {
	tags := k.tags()
	if len(k.Operands) == 0 {
		for _, tag := range tags {
			if err := g.AddTag(tag); err != nil {
				k.lacks(survey.TagRoot(tag), err)
			}
		}
		return nil
	}
	for _, name := range k.Operands {
		if matched, err := oci.Match(tags, name); err == nil && len(matched) == 1 && matched[0].Tag == name {
			if err := g.AddTag(matched[0]); err != nil {
				return err
			}
			continue
		}
		image, err := lookup.Image(k.repo, name)
		if err != nil {
			return err
		}
		if err := g.AddManifest(image.Manifest.Digest); err != nil {
			return err
		}
	}
	return nil
}
