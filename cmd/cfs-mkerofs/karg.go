package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/urfave/cli/v2"

	"cfs/lib/boot"
	"cfs/lib/erofs"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/tool"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

const kargHelp = "Of a container image it is the argument for its boot image, of an fs-verity digest the one for\n" +
	"that image. With --tree it is the one for the boot image that a directory would make, and no\n" +
	"repository is used. The value begins with a question mark if fs-verity is not to be insisted on:\n" +
	"with --insecure, or if the repository has none."

// makeBoot is the command that makes a boot image for what is tagged.
const makeBoot = "cfs-link show NAME | cfs-mkerofs --bootable | cfs-link --tag NAME"

func kargFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "insecure", Usage: "let the image boot without fs-verity, whatever the repository is"},
		&cli.StringFlag{Name: "erofs-version", Usage: "of a container image or a tree, take the boot image of format `V`: 0, 1 or 2"},
		&cli.StringFlag{Name: "xattrs", Value: variant.AllowlistOnly.String(), Usage: "of a container image or a tree, take the boot image with the xattrs of `MODE`"},
		&cli.StringFlag{Name: "tree", Usage: "make the argument for the directory `DIR`"},
		&cli.StringFlag{Name: "hash", Usage: "with --tree: the digest is by `HASH`, sha256 or sha512"},
		&cli.BoolFlag{Name: "no-propagate-usr-to-root", Usage: "with --tree: take the tree as it is, not in the canonical form of container images"},
	}
}

// karg prints the kernel argument that names an image.
func karg(c *cli.Context) error {
	if c.IsSet("tree") {
		return treeKarg(c)
	}
	for _, option := range []string{"hash", "no-propagate-usr-to-root"} {
		if c.IsSet(option) {
			return tool.UsageError("--%s goes with --tree", option)
		}
	}
	if c.NArg() != 1 {
		return tool.UsageError("want one NAME or DIGEST")
	}
	r, err := tool.OpenRepo(c, false)
	if err != nil {
		return err
	}
	defer r.Close()
	k, err := findKarg(c, r, c.Args().First())
	if err != nil {
		return err
	}
	k.Insecure = !r.Secure || c.Bool("insecure")
	_, err = fmt.Println(k)
	return err
}

func findKarg(c *cli.Context, r *repo.Repo, name string) (boot.Karg, error) {
	found, notFound := oci.Find(r, name)
	if notFound == nil && found.Image == nil {
		for _, option := range []string{"erofs-version", "xattrs"} {
			if c.IsSet(option) {
				return boot.Karg{}, tool.UsageError("--%s goes with a container image", option)
			}
		}
		format, err := oci.EROFSFormat(r, found.ID)
		return kargOf(format, found.ID), err
	}
	v, err := kargVariant(c, r)
	if err != nil {
		return boot.Karg{}, err
	}
	if notFound == nil {
		notFound = found.CheckContainer()
	}
	if notFound != nil {
		return boot.Karg{}, notFound
	}
	id, ok := found.Image.Config.Images[v.Key()]
	if !ok {
		return boot.Karg{}, tool.Hint(fmt.Errorf("%s has no boot image of format %d with the xattrs %s: %w", name, v.Format, v.Xattrs, fs.ErrNotExist), makeBoot+" makes one, of an image with /boot and /sysroot")
	}
	return kargOf(v.Format, id), nil
}

// kargOf returns the argument for an image. Format 0 has none of its own.
func kargOf(f variant.Format, id verity.ID) boot.Karg {
	return boot.Karg{Format: max(f, variant.V1), ID: id}
}

// kargVariant returns which boot image of a container image is asked for.
func kargVariant(c *cli.Context, r *repo.Repo) (variant.Variant, error) {
	v := variant.Variant{Boot: true, Format: r.Formats[0]}
	var err error
	if v.Xattrs, err = variant.ParseXattrMode(c.String("xattrs")); err != nil {
		return v, tool.UsageError("--xattrs: %w", err)
	}
	if s := c.String("erofs-version"); s != "" {
		if v.Format, err = variant.ParseFormat(s); err != nil {
			return v, tool.UsageError("--erofs-version %w", err)
		}
	}
	return v, nil
}

// treeKarg prints the argument for the boot image of a directory, which is computed.
func treeKarg(c *cli.Context) error {
	if c.NArg() > 0 {
		return tool.UsageError("unexpected operand %q", c.Args().First())
	}
	if c.IsSet("xattrs") && c.IsSet("no-propagate-usr-to-root") {
		return tool.UsageError("--xattrs and --no-propagate-usr-to-root exclude each other")
	}
	if c.String("erofs-version") == "auto" {
		return tool.UsageError("--erofs-version auto: want 0, 1 or 2")
	}
	j := &job{c: c, write: erofs.Write}
	if err := j.readTree(); err != nil {
		return err
	}
	if err := errors.Join(j.bootTree(j.root), j.choose()); err != nil {
		return err
	}
	hash := j.alg.New()
	if err := j.write(hash, j.root, j.version); err != nil {
		return err
	}
	k := kargOf(j.version, hash.ID())
	k.Insecure = c.Bool("insecure")
	_, err := fmt.Println(k)
	return err
}
