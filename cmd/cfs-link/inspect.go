package main

import (
	"fmt"
	"os"

	"cfs/lib/lookup"
	"cfs/lib/missing"
	"cfs/lib/oci"
	"cfs/lib/record"
	"cfs/lib/survey"
	"cfs/lib/terminal"
	"cfs/lib/tool"
)

// inspect writes what an image is: a summary, or its manifest or config as it is stored.
func (o *options) inspect() error {
	if err := o.Check(inspectRules); err != nil {
		return err
	}
	return o.withListing(1, 1, (*listing).inspect)
}

func (k *listing) inspect() error {
	if k.source {
		return k.printSource(k.Operands[0])
	}
	image, err := lookup.Image(k.repo, k.Operands[0])
	if err != nil {
		return err
	}
	switch {
	case k.manifest:
		_, err = os.Stdout.Write(image.Manifest.JSON)
		return err
	case k.config:
		_, err = os.Stdout.Write(image.Config.JSON)
		return err
	}
	about, err := survey.DescribeImage(k.repo, image, k.tags())
	if err != nil {
		return err
	}
	if k.JSON {
		return record.WriteJSON(os.Stdout, about)
	}
	return about.WriteText(os.Stdout, terminal.Columns(os.Stdout))
}

// printSource prints where the image of a tag was pulled from. Only a tag has a source.
func (k *listing) printSource(tag string) error {
	d, err := oci.Tag(k.repo, tag)
	if err != nil {
		return err
	}
	source, err := oci.SourceOf(k.repo, oci.NamedManifest{Tag: tag, Manifest: d})
	if err == nil && source == "" {
		err = missing.Errorf("tag %q: its source is not recorded", tag)
		err = tool.Hint(err, "cfs-pull SOURCE NAME records it")
	}
	if err == nil {
		_, err = fmt.Println(terminal.NameFor(os.Stdout)(source))
	}
	return err
}
