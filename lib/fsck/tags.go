package fsck

import (
	"errors"
	"fmt"
	"io/fs"

	"cfs/lib/corrupt"
	"cfs/lib/lookup"
	"cfs/lib/manifest"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// sealLabel is the label of a config by which images were sealed once: the image
// that it names must be there.
const sealLabel = "containers.composefs.fsverity"

// find looks up the images that are checked alone, and what they need, as far as that can be
// read.
func (c *Checker) find() error {
	for _, name := range c.Images {
		image, err := lookup.Image(c.Repo, name)
		if _, tagged := oci.Tag(c.Repo, name); tagged == nil && errors.Is(err, fs.ErrNotExist) {
			err = corrupt.Errorf("tag %q: %w", name, err) // what is missing is not the tag
		}
		if err != nil {
			return err
		}
		c.some = append(c.some, image)
	}
	if c.some == nil {
		return nil
	}
	c.only = oci.NewReach(c.Repo, func(error) {})
	for _, image := range c.some {
		err := c.only.AddStream(image.Manifest.ID)
		if err != nil && !corrupt.IsDamage(err) { // damage the check is about to tell
			return err
		}
	}
	return nil
}

// tags checks the image of each tag, or those that were asked for.
func (c *Checker) tags() error {
	if c.some != nil {
		for i, image := range c.some {
			c.report.Tags.add(c.container(c.Images[i], image))
		}
		return nil
	}
	tags, strays, err := oci.Tags(c.Repo)
	if err != nil {
		return err
	}
	for _, stray := range strays {
		c.problem("ref-resolve-failed", "streams/refs/oci", "%v", stray)
	}
	for _, t := range tags {
		if err := oci.CheckStoredTag(t.Tag); err != nil {
			c.problem("invalid-ref-name", t.Tag, "%v", err)
		}
		image, err := oci.OpenImage(c.Repo, t.Manifest)
		if err != nil {
			c.damage("manifest-read-failed", t.Tag, err)
			c.report.Tags.add(false)
			continue
		}
		c.report.Tags.add(c.container(t.Tag, image))
	}
	return nil
}

// container checks layers and EROFS images of an image.
func (c *Checker) container(name string, image *oci.Image) bool {
	before := len(c.report.Problems)
	for _, key := range image.Keys {
		id := image.Stream(key)
		if id.IsZero() {
			c.problem("layer-ref-missing", name, "layer %s", key)
			continue
		}
		if _, err := c.Repo.Lookup(repo.Streams, oci.LayerName(key)); err != nil {
			c.damage("layer-stream-missing", name, err)
		}
		if !c.whole(id) {
			c.problem("layer-object-missing", name, "layer %s: %s", key, id)
		}
	}
	for _, key := range image.Config.ImageKeys() {
		c.erofs(name, key, image.Config.Images[key])
	}
	if seal := label(image.Config.JSON); image.Manifest.IsContainer() && seal != "" {
		c.sealed(name, seal)
	}
	return len(c.report.Problems) == before
}

// sealed checks that the image of a seal is there.
func (c *Checker) sealed(name, seal string) {
	id, err := verity.ParseID(seal)
	if err != nil {
		c.problem("seal-image-missing", name, "%v", err)
		return
	}
	if _, err := oci.OpenEROFS(c.Repo, id); err != nil {
		c.damage("seal-image-missing", name, err)
	}
}

// erofs checks that what a config calls an image is one, of the right format.
func (c *Checker) erofs(name, key string, id verity.ID) {
	image, err := oci.OpenEROFS(c.Repo, id)
	if err == nil {
		if v, ok := variant.ParseKey(key); ok && (image.Format() == variant.V2) != (v.Format == variant.V2) {
			err = corrupt.Errorf("is of format %d", image.Format())
		}
	}
	if err != nil {
		c.damage("erofs-image-missing", name, fmt.Errorf("%s: %w", key, err))
	}
}

func label(config []byte) string {
	c, _, _ := manifest.ParseStoredConfig(config)
	return c.Labels[sealLabel]
}
