package fsck

import (
	"errors"
	"fmt"
	"io/fs"

	"cfs/lib/corrupt"
	"cfs/lib/lookup"
	"cfs/lib/manifest"
	"cfs/lib/oci"
	"cfs/lib/record"
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
			c.tag(c.Images[i], c.container(c.Images[i], image))
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
			c.tag(t.Tag, false)
			continue
		}
		c.tag(t.Tag, c.container(t.Tag, image))
	}
	return nil
}

// tag counts a tag, and names it if its image is not whole.
func (c *Checker) tag(name string, good bool) {
	c.report.Tags.add(good)
	if !good {
		c.report.Damaged = append(c.report.Damaged, record.Text(name))
	}
}

// container checks layers and EROFS images of an image: that they are there, and whole.
func (c *Checker) container(name string, image *oci.Image) bool {
	before := len(c.report.Problems)
	for _, key := range image.Keys {
		c.layer(name, key, image.Stream(key))
	}
	for _, key := range image.Config.ImageKeys() {
		c.erofs(name, key, image.Config.Images[key])
	}
	if seal := label(image.Config.JSON); image.Manifest.IsContainer() && seal != "" {
		c.sealed(name, seal)
	}
	if len(c.report.Problems) > before {
		return false
	}
	return c.document(name, "config", image.Config.ID) && c.document(name, "manifest", image.Manifest.ID)
}

// layer checks a layer of an image.
func (c *Checker) layer(name string, key oci.Key, id verity.ID) {
	if id.IsZero() {
		c.problem("layer-ref-missing", name, "layer %s", key)
		return
	}
	if _, err := c.Repo.Lookup(repo.Streams, oci.LayerName(key)); err != nil {
		c.damage("layer-stream-missing", name, err)
	}
	if !c.whole(id) {
		c.problem("layer-object-missing", name, "layer %s: %s", key, id)
		return
	}
	if _, read := c.flaws[id]; !read { // another stream has its name
		c.stream(oci.LayerName(key), id)
	}
	if flaw := c.flaws[id]; flaw != "" {
		c.problem("layer-incomplete", name, "layer %s: %s", key, flaw)
	}
}

// document checks that the stream of a config or a manifest, in which the layers and images are
// all whole, lacks nothing else.
func (c *Checker) document(name, what string, id verity.ID) (good bool) {
	flaw := c.flaws[id]
	if flaw != "" {
		c.problem(what+"-incomplete", name, "%s", flaw)
	}
	return flaw == ""
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
		return
	}
	if flaw := c.flaws[id]; flaw != "" {
		c.problem("erofs-image-incomplete", name, "%s: EROFS image %s: %s", key, id, flaw)
	}
}

func label(config []byte) string {
	c, _, _ := manifest.ParseStoredConfig(config)
	return c.Labels[sealLabel]
}
