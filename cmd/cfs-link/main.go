// Cfs-link writes the config and the manifest of an image with their references,
// and moves the tag. It lists, shows, makes and removes tags.
package main

import (
	"github.com/urfave/cli/v2"

	"cfs/lib/tool"
)

const usage = `cfs-link [options] [--tag NAME|--no-tag] < RECORDS
cfs-link show [options] NAME|DIGEST
cfs-link ls [--json] [--missing] [options]
cfs-link tag [options] NAME|DIGEST NEW
cfs-link untag [options] NAME
cfs-link why [options] DIGEST`

const description = `Reads the records of an image, writes its config and its manifest with references to
all that was stored for it, and moves the tag last. Prints the records that now hold.

EXAMPLES:
   cfs-fetch oci:layout | cfs-import | cfs-mkerofs | cfs-link --tag NAME
   cfs-link show NAME | cfs-mkerofs --erofs-version 2 | cfs-link --tag NAME
   cfs-link untag NAME && cfs-gc`

func main() {
	var o options
	tool.Main(&cli.App{
		Name:        "cfs-link",
		Usage:       "link images and tag them",
		UsageText:   usage,
		Description: description,
		Flags:       o.flags(),
		Action:      o.Action(o.filter),
		Commands: []*cli.Command{
			{Name: "show", Usage: "write the records of an image", ArgsUsage: "NAME|DIGEST", Flags: o.common(), Action: o.Action(o.show)},
			{Name: "ls", Usage: "list tags", Flags: o.listFlags(), Action: o.Action(o.list)},
			{Name: "tag", Usage: "give an image a further tag", ArgsUsage: "NAME|DIGEST NEW", Flags: o.common(), Action: o.Action(o.tagImage)},
			{Name: "untag", Usage: "remove a tag, and nothing that it keeps", ArgsUsage: "NAME", Flags: o.common(), Action: o.Action(o.untag)},
			{Name: "why", Usage: "list the tags and mounts that keep an object, a stream or a blob", ArgsUsage: "DIGEST", Flags: o.common(), Action: o.Action(o.why)},
		},
	})
}
