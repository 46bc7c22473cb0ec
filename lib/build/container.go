package build

import (
	"fmt"
	"io"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/boot"
	"cfs/lib/lookup"
	"cfs/lib/manifest"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/tolerance"
	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// Wanted says which image of a container is made. The zero Wanted is the plain one.
type Wanted struct {
	Bootable bool              // the boot image
	Xattrs   variant.XattrMode // the extended attributes that are kept
	Expected verity.ID         // the boot image that has this digest, whatever its Xattrs and format; zero: any
}

// Container reads the container image that an operand names in the repository, and returns
// the variant of the image that is made. Strict rules refuse media types that the reference
// does not know.
func (i Input) Container(operand string, w Wanted) (*Recipe, variant.Variant, error) {
	v := variant.Variant{Boot: w.Bootable, Xattrs: w.Xattrs}
	image, err := lookup.Container(i.Repo, operand)
	if err != nil {
		return nil, v, err
	}
	c, err := stored(i.Repo, image, i.Rules)
	if err != nil {
		return nil, v, err
	}
	if !w.Expected.IsZero() {
		// It is made in any case, so no image that is there already will do.
		v, x, err := c.Search(w.Expected, nil)
		return x, v, bootError(operand, err)
	}
	root, err := c.Tree(w.Xattrs)
	if err != nil {
		return nil, v, err
	}
	if w.Bootable {
		if err := c.Boot(root); err != nil {
			return nil, v, bootError(operand, err)
		}
	}
	x := i.recipe(root, i.format())
	x.UnsignedTimes = true
	v.Format = x.Format
	return x, v, nil
}

// bootError returns the error of a boot image, nil if err is.
func bootError(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: boot image: %w", what, err)
}

// Container is a container image whose layers a repository has.
type Container struct {
	repo  *repo.Repo
	rules *tolerance.Rules
	merge func(variant.XattrMode, *tolerance.Rules) (*tree.Inode, error)
	spare *tree.Inode // see Reuse
}

// stored returns an image of a repository.
func stored(r *repo.Repo, image *oci.Image, rules *tolerance.Rules) (*Container, error) {
	merge := func(mode variant.XattrMode, rules *tolerance.Rules) (*tree.Inode, error) {
		return oci.Tree(r, image.Keys, image.Stream, mode, rules)
	}
	return newContainer(image.Manifest.Manifest, &Container{repo: r, rules: rules, merge: merge})
}

// Pulled returns an image that is on its way: it is not linked yet. Strict rules refuse media
// types that the reference does not know.
func Pulled(r *repo.Repo, link *oci.Link, rules *tolerance.Rules) (*Container, error) {
	merge := func(mode variant.XattrMode, rules *tolerance.Rules) (*tree.Inode, error) {
		return link.Tree(r, mode, rules)
	}
	return newContainer(link.Manifest, &Container{repo: r, rules: rules, merge: merge})
}

func newContainer(m v1.Manifest, c *Container) (*Container, error) {
	for _, d := range append([]v1.Descriptor{m.Config}, m.Layers...) {
		if c.rules.IsStrict() && manifest.IsDocker(d.MediaType) {
			return nil, fmt.Errorf("%s: media type %q %w", d.Digest, d.MediaType, tolerance.ErrRefused)
		}
	}
	return c, nil
}

// Tree merges the layers into the root file system of the container, in its canonical form,
// with the extended attributes of a mode.
func (c *Container) Tree(mode variant.XattrMode) (*tree.Inode, error) {
	root := c.spare
	c.spare = nil
	if root != nil && mode == variant.AllowlistOnly {
		return root, nil
	}
	rules := c.rules
	c.rules = rules.Again() // what is tolerated is told once, however often the layers are merged
	return c.merge(mode, rules)
}

// Reuse gives back a tree of the default mode that is unchanged and not needed any more. The
// next Tree returns it if it is of that mode, and drops it if not: two trees are never in memory.
func (c *Container) Reuse(root *tree.Inode) { c.spare = root }

// Boot turns a tree of the container into its boot variant, in place. After an error the
// tree must not be used any more.
func (c *Container) Boot(root *tree.Inode) error {
	content := func(n *tree.Inode) (io.ReadCloser, error) { return oci.OpenContent(c.repo, n) }
	// What can be booted is found before the tree is changed. It makes no difference to
	// the image, but an error in it is one of the boot variant, as for the reference.
	if _, err := boot.Entries(root, content); err != nil {
		return err
	}
	return boot.Transform(root, content)
}
