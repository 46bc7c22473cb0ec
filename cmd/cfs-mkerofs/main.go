// Cfs-mkerofs builds EROFS images.
//
// As a filter it merges the layers of each image in the pipe, stores the EROFS
// images in the formats of the repository, and adds records for them. Otherwise it
// builds one image from a dumpfile, a directory or a stored container image, and
// reads and compares images.
package main

import (
	"slices"

	"github.com/urfave/cli/v2"

	"cfs/lib/inspect"
	"cfs/lib/tool"
)

const synopsis = `cfs-mkerofs [options] < RECORDS
cfs-mkerofs [options] --dumpfile FILE|-
cfs-mkerofs [options] --tree DIR
cfs-mkerofs [options] --oci NAME|DIGEST
cfs-mkerofs [options] --image IMAGE
cfs-mkerofs dump|objects [options] IMAGE
cfs-mkerofs ls [-l] [options] IMAGE [PATH]
cfs-mkerofs cat [options] IMAGE PATH...
cfs-mkerofs tar [options] IMAGE
cfs-mkerofs measure [--hash HASH] FILE...
cfs-mkerofs diff [--stat] [options] A B
cfs-mkerofs boot-entries [options] NAME
cfs-mkerofs karg [options] NAME|DIGEST|--tree DIR`

const description = `Without --dumpfile, --tree, --oci or --image it adds to the records on stdin those of the
EROFS images that it stores. With one of them it makes one image and prints its fs-verity digest.

IMAGE is an fs-verity digest, a container image by tag or digest, or a file. A file that has
the name of a tag is written with ./ before it.

EXAMPLES:
   cfs-fetch oci:layout | cfs-import | cfs-mkerofs | cfs-link --tag NAME
   cfs-mkerofs --dumpfile tree.dump -o tree.erofs
   cfs-mkerofs --tree rootfs --digest-store objects -o rootfs.erofs
   cfs-mkerofs dump NAME | less
   cfs-mkerofs boot-entries NAME`

func main() {
	var o options
	repository := o.RepoFlags()
	command := func(name, usage, operands, description string, do func() error, flags ...cli.Flag) *cli.Command {
		return &cli.Command{Name: name, Usage: usage, ArgsUsage: operands, Description: description, Flags: flags, Action: o.Action(do)}
	}
	tool.Main(&cli.App{
		Name:        "cfs-mkerofs",
		Usage:       "build EROFS images",
		UsageText:   synopsis,
		Description: description,
		Flags:       slices.Concat(o.flags(), []cli.Flag{o.ProgressFlag()}, repository, o.RecordFlags()),
		Action:      o.Action(o.make),
		Commands: []*cli.Command{
			command("dump", "write the dumpfile of an image", "IMAGE", "", o.dump, slices.Concat(o.dumpFlags(), repository)...),
			command("ls", "list the paths in an image", "IMAGE [PATH]", "", o.list, slices.Concat(o.listFlags(), repository)...),
			command("cat", "write files of an image to stdout", "IMAGE PATH...", "", o.cat, repository...),
			command("tar", "write the tree of an image as a tar", "IMAGE", "", o.tar, repository...),
			command("objects", "list the objects that an image needs", "IMAGE", "", o.look(inspect.Objects), repository...),
			command("measure", "print the fs-verity digests of files", "FILE...", "", o.measure, o.measureFlags()...),
			command("diff", "say how and why two images or dumpfiles differ", "A B", diffHelp, o.diff, slices.Concat(o.diffFlags(), repository)...),
			command("boot-entries", "list what can be booted in a container image", "NAME", bootEntriesHelp, o.bootEntries, slices.Concat(o.bootEntriesFlags(), repository)...),
			command("karg", "print the kernel argument that names an image", "NAME|DIGEST|--tree DIR", kargHelp, o.karg, slices.Concat(o.kargFlags(), repository)...),
		},
	})
}
