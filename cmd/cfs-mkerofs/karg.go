package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/urfave/cli/v2"

	"cfs/lib/boot"
	"cfs/lib/bootable"
	"cfs/lib/lookup"
	"cfs/lib/tool"
	"cfs/lib/variant"
)

const kargHelp = "Of a container image it is the argument for its boot image, of an fs-verity digest the one for\n" +
	"that image. With --tree it is the one for the boot image that a directory would make, and no\n" +
	"repository is used. The value begins with a question mark if fs-verity is not to be insisted on:\n" +
	"with --insecure, or if the repository has none."

func (o *options) kargFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "insecure", Destination: &o.insecure, Usage: "let the image boot without fs-verity, whatever the repository is"},
		&cli.BoolFlag{Name: "require-verity", Destination: &o.requireVerity, Usage: "require fs-verity, whatever the repository has: for a UKI that boots elsewhere"},
		&cli.StringFlag{Name: "erofs-version", Destination: &o.version, Usage: "for a container image or a tree: use the boot image of format `V`: 0, 1 or 2"},
		&cli.StringFlag{Name: "xattrs", Destination: &o.xattrs, Value: variant.AllowlistOnly.String(), Usage: "for a container image or a tree: use the boot image with the xattrs of `MODE`"},
		&cli.StringFlag{Name: "tree", Destination: &o.tree.Path, Usage: "print the argument for the directory `DIR`"},
		&cli.StringFlag{Name: "hash", Destination: &o.hash, Usage: "with --tree: use the hash `HASH`, sha256 or sha512"},
		&cli.BoolFlag{Name: "no-propagate-usr-to-root", Destination: &o.tree.AsIs, Usage: "with --tree: use the tree as it is, not in the canonical form of container images"},
	}
}

var (
	kargRules      = slices.Concat(goWith([]string{"tree"}, "hash", "no-propagate-usr-to-root"), tool.Rules{{If: "xattrs", Not: "no-propagate-usr-to-root"}, {If: "insecure", Not: "require-verity"}})
	kargImageRules = tool.Rules{ // of an operand that is an EROFS image already
		{If: "erofs-version", Needs: []string{}, Say: "--erofs-version requires a container image"},
		{If: "xattrs", Needs: []string{}, Say: "--xattrs requires a container image"},
	}
)

// karg prints the kernel argument that names an image.
func (o *options) karg() error {
	find := o.storedKarg
	if o.tree.Path != "" {
		find = o.treeKarg
	}
	if err := cmp.Or(o.Check(kargRules), o.parse(false)); err != nil {
		return err
	}
	k, err := find()
	if err != nil {
		return err
	}
	k.Insecure = (k.Insecure || o.insecure) && !o.requireVerity
	_, err = fmt.Println(k)
	return err
}

// treeKarg returns the argument for the boot image that a directory would make.
func (o *options) treeKarg() (boot.Karg, error) {
	if len(o.Operands) > 0 {
		return boot.Karg{}, o.Unexpected()
	}
	o.wanted.Bootable = true
	recipe, err := o.read(nil)
	if err != nil {
		return boot.Karg{}, err
	}
	id, err := recipe.Digest()
	return bootable.KargOf(recipe.Format, id), err
}

// storedKarg returns the argument for an image of the repository.
func (o *options) storedKarg() (boot.Karg, error) {
	if len(o.Operands) != 1 {
		return boot.Karg{}, tool.UsageError("want one NAME or DIGEST")
	}
	r, err := o.OpenRepo(false)
	if err != nil {
		return boot.Karg{}, err
	}
	defer r.Close()
	found, err := lookup.Find(r, o.Operands[0])
	if err == nil && found.Image == nil {
		err = o.Check(kargImageRules)
	}
	if err != nil {
		return boot.Karg{}, err
	}
	formats := append(o.formats, r.Formats...)
	k, err := bootable.Karg(r, found, variant.Variant{Boot: true, Format: formats[0], Xattrs: o.wanted.Xattrs})
	if found.Image != nil && errors.Is(err, fs.ErrNotExist) {
		err = tool.Hint(err, bootable.Make+" makes one, of an image with /boot and /sysroot")
	}
	return k, err
}
