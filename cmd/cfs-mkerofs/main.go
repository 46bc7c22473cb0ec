// Cfs-mkerofs builds EROFS images.
//
// As a filter it merges the layers of each image that comes down the pipe, stores
// the EROFS images in the formats of the repository, and adds records of them. By
// itself it makes one image of a dumpfile, a directory or a stored container image, and
// takes images apart again.
package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"cfs/lib/tool"
)

func main() {
	repository := tool.RepoFlags()
	flags := append([]cli.Flag{
		&cli.StringFlag{Name: "dumpfile", Aliases: []string{"from-file"}, Usage: "make the image of a dumpfile, `FILE` or - for stdin"},
		&cli.StringFlag{Name: "oci", Usage: "make the image of the container image `NAME|DIGEST`"},
		&cli.StringFlag{Name: "image", Usage: "make the image of the tree in another one, `IMAGE`, in its format"},
		&cli.StringFlag{Name: "tree", Usage: "make the image of the directory `DIR`"},
		&cli.BoolFlag{Name: "compat", Usage: "with --dumpfile: take what only mkcomposefs takes"},
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the image to `FILE`, or - for stdout"},
		&cli.BoolFlag{Name: "if-changed", Usage: "with --output: leave a file alone that holds the image already"},
		&cli.BoolFlag{Name: "store", Usage: "store the image in the repository"},
		&cli.StringFlag{Name: "ref", Usage: "with --store: as images/refs/`NAME`"},
		&cli.StringFlag{Name: "hash", Usage: "take fs-verity digests by `HASH`, sha256 or sha512"},
		&cli.StringFlag{Name: "erofs-version", Usage: "the format: `V` is 0, 1, 2 or auto"},
		&cli.StringFlag{Name: "xattrs", Value: "allowlist-only", Usage: "of container images and trees, keep the xattrs of `MODE`: allowlist-only or keep-user-xattrs"},
		&cli.BoolFlag{Name: "strict", Usage: "refuse images that cfsctl refuses"},
	}, slices.Concat(bootFlags(), treeFlags(), repository)...)
	tool.Main(&cli.App{
		Name:  "cfs-mkerofs",
		Usage: "build EROFS images",
		UsageText: "cfs-mkerofs [options] < RECORDS\ncfs-mkerofs [options] --dumpfile FILE|-\ncfs-mkerofs [options] --tree DIR\ncfs-mkerofs [options] --oci NAME|DIGEST\n" +
			"cfs-mkerofs [options] --image IMAGE\ncfs-mkerofs dump|ls|objects [options] IMAGE\ncfs-mkerofs measure [--hash HASH] FILE...\ncfs-mkerofs diff [options] A B\n" +
			"cfs-mkerofs boot-entries [options] NAME\ncfs-mkerofs karg [options] NAME|DIGEST|--tree DIR",
		Description: "Without --dumpfile, --tree, --oci or --image it adds to the records on stdin those of the\nEROFS images that it stores. " +
			"With one of them it makes one image and prints its fs-verity digest.\n\n" +
			"IMAGE is an fs-verity digest, a container image by tag or digest, or a file. A file that has\nthe name of a tag is written with ./ before it.\n\n" +
			"EXAMPLES:\n   cfs-fetch oci:layout | cfs-import | cfs-mkerofs | cfs-link --tag NAME\n" +
			"   cfs-mkerofs --dumpfile tree.dump -o tree.erofs\n   cfs-mkerofs --tree rootfs --digest-store objects -o rootfs.erofs\n   cfs-mkerofs dump NAME | less\n   cfs-mkerofs boot-entries NAME",
		Flags:  append(flags, tool.RecordFlags()...),
		Action: run,
		Commands: []*cli.Command{
			{Name: "dump", Usage: "write the dumpfile of an image", ArgsUsage: "IMAGE", Flags: append(dumpFlags(), repository...), Action: dump},
			{Name: "ls", Usage: "list the paths in an image", ArgsUsage: "IMAGE", Flags: repository, Action: list},
			{Name: "objects", Usage: "list the objects that an image needs", ArgsUsage: "IMAGE", Flags: repository, Action: listObjects},
			{Name: "measure", Usage: "print the fs-verity digests of files", ArgsUsage: "FILE...", Flags: measureFlags(), Action: measureFiles},
			{Name: "diff", Usage: "say how and why two images or dumpfiles differ", ArgsUsage: "A B", Description: diffHelp, Flags: append(diffFlags(), repository...), Action: diff},
			{Name: "boot-entries", Usage: "list what can be booted in a container image", ArgsUsage: "NAME", Description: bootEntriesHelp, Flags: append(bootEntriesFlags(), repository...), Action: bootEntries},
			{Name: "karg", Usage: "print the kernel argument that names an image", ArgsUsage: "NAME|DIGEST|--tree DIR", Description: kargHelp, Flags: append(kargFlags(), repository...), Action: karg},
		},
	})
}

func run(c *cli.Context) error {
	var sources []string
	for _, name := range []string{"dumpfile", "tree", "oci", "image"} {
		if c.IsSet(name) {
			sources = append(sources, "--"+name)
		}
	}
	switch {
	case len(sources) == 0:
		return filter(c)
	case len(sources) > 1:
		return tool.UsageError("%s exclude each other", strings.Join(sources, " and "))
	case c.NArg() > 0:
		return tool.UsageError("unexpected operand %q", c.Args().First())
	}
	return one(c)
}
