package main

import (
	"os"

	"cfs/lib/lookup"
	"cfs/lib/survey"
)

// inspect writes what an image is: a summary, or its manifest or config as it is stored.
func (o *options) inspect() error {
	if err := o.Check(inspectRules); err != nil {
		return err
	}
	return o.withListing(1, 1, (*listing).inspect)
}

func (k *listing) inspect() error {
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
		return survey.WriteJSON(os.Stdout, about)
	}
	return about.WriteText(os.Stdout)
}
