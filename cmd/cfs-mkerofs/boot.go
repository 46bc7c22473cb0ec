package main

import (
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"cfs/lib/boot"
	"cfs/lib/corrupt"
	"cfs/lib/erofs"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/tool"
	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// bootFlags are the options about the boot variant.
func bootFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "bootable", Usage: "make the boot variant: as a stage of the pipe beside the plain image, with --oci or --tree instead"},
		&cli.StringFlag{Name: "expected-digest", Usage: "with --bootable: find the xattrs and the format by which the boot image has this `DIGEST`"},
	}
}

// checkBoot refuses options about the boot variant that do not go together, and
// returns the digest that is expected, if any.
func checkBoot(c *cli.Context) (expected verity.ID, err error) {
	if !c.IsSet("expected-digest") {
		return expected, nil
	}
	switch {
	case !c.Bool("bootable"):
		return expected, tool.UsageError("--expected-digest goes with --bootable")
	case c.IsSet("tree"):
		return expected, tool.UsageError("--expected-digest is for container images, not for --tree")
	case c.IsSet("xattrs"):
		return expected, tool.UsageError("--expected-digest finds out what --xattrs must be: they exclude each other")
	}
	if expected, err = verity.ParseID(c.String("expected-digest")); err != nil {
		return expected, tool.UsageError("--expected-digest: %w", err)
	}
	return expected, nil
}

// bootVariant turns the tree of a container image into its boot variant.
func bootVariant(r *repo.Repo, root *tree.Inode) error {
	content := func(n *tree.Inode) (io.ReadCloser, error) { return oci.OpenContent(r, n) }
	// What can be booted is found before the tree is changed. It makes no difference to
	// the image, but an error in it is one of the boot variant, as for the reference.
	if _, err := boot.Entries(root, content); err != nil {
		return err
	}
	return boot.Transform(root, content)
}

// search finds the recipe by which a container image has an expected boot image.
type search struct {
	repo     *repo.Repo
	expected verity.ID
	tree     func(variant.XattrMode) (*tree.Inode, error)
	cached   map[string]verity.ID // images that are referred to, by the key of the variant
}

// run returns the variant, and its tree, or nil if a cached image is it. The order is
// the reference's.
func (s search) run() (variant.Variant, *tree.Inode, error) {
	if s.expected.Algorithm() != s.repo.Algorithm {
		return variant.Variant{}, nil, tool.UsageError("--expected-digest %s: the repository is of %s", s.expected, s.repo.Algorithm)
	}
	for _, mode := range variant.XattrModes() {
		for _, version := range []variant.Format{variant.V1, variant.V2} {
			v := variant.Variant{Boot: true, Format: version, Xattrs: mode}
			if s.cached[v.Key()] != s.expected {
				continue
			}
			image, err := oci.OpenEROFS(s.repo, s.expected)
			if err == nil {
				v.Format = image.Format()
				return v, nil, nil
			}
			// It is lost, or damaged, and maybe made again.
		}
		root, err := s.tree(mode)
		if err == nil {
			err = bootVariant(s.repo, root)
		}
		if err != nil {
			return variant.Variant{}, nil, err
		}
		for _, version := range []variant.Format{variant.V1, variant.V2} {
			hash := s.repo.Algorithm.New()
			if err := erofs.WriteUnsignedTimes(hash, root, version); err != nil {
				return variant.Variant{}, nil, err
			}
			if hash.ID() == s.expected {
				return variant.Variant{Boot: true, Format: version, Xattrs: mode}, root, nil
			}
		}
	}
	return variant.Variant{}, nil, corrupt.Errorf("no boot image has the digest %s: tried the xattrs of %s and of %s, each in the formats 1 and 2", s.expected, variant.AllowlistOnly, variant.KeepUserXattrs)
}

// say tells people which recipe it was.
func (s search) say(c *cli.Context, v variant.Variant) {
	tool.Warn(c, "boot image %s: --xattrs %s --erofs-version %d", s.expected, v.Xattrs, v.Format)
}

// bootError says what could not be made.
func bootError(what string, err error) error { return fmt.Errorf("%s: boot image: %w", what, err) }
