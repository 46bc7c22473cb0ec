// Cfs-link writes the config and the manifest of an image with their references,
// and moves the tag. It lists, shows, makes and removes tags.
package main

import (
	"github.com/urfave/cli/v2"

	"cfs/lib/tool"
)

func main() {
	common := append(tool.RepoFlags(), tool.RecordFlags()...)
	flags := append([]cli.Flag{
		&cli.StringFlag{Name: "tag", Usage: "tag the image `NAME` (default: its source= in the manifest's record)"},
		&cli.BoolFlag{Name: "no-tag", Usage: "do not tag the image"},
	}, common...)
	tool.Main(&cli.App{
		Name:  "cfs-link",
		Usage: "link images and tag them",
		UsageText: "cfs-link [options] [--tag NAME|--no-tag] < RECORDS\ncfs-link show [options] NAME|DIGEST\ncfs-link ls [--json] [--missing] [options]\n" +
			"cfs-link tag [options] NAME|DIGEST NEW\ncfs-link untag [options] NAME\ncfs-link why [options] DIGEST",
		Description: "Reads the records of an image, writes its config and its manifest with references to\nall that was stored for it, " +
			"and moves the tag last. Prints the records that now hold.\n\n" +
			"EXAMPLES:\n   cfs-fetch oci:layout | cfs-import | cfs-mkerofs | cfs-link --tag NAME\n" +
			"   cfs-link show NAME | cfs-mkerofs --erofs-version 2 | cfs-link --tag NAME\n   cfs-link untag NAME && cfs-gc",
		Flags:  flags,
		Action: filter,
		Commands: []*cli.Command{
			{Name: "show", Usage: "write the records of an image", ArgsUsage: "NAME|DIGEST", Flags: common, Action: show},
			{Name: "ls", Usage: "list tags", Action: list,
				Flags: append([]cli.Flag{&cli.BoolFlag{Name: "missing", Usage: "only those of container images without an EROFS image"}}, common...)},
			{Name: "tag", Usage: "give an image a further tag", ArgsUsage: "NAME|DIGEST NEW", Flags: common, Action: tag},
			{Name: "untag", Usage: "remove a tag, and nothing that it keeps", ArgsUsage: "NAME", Flags: common, Action: untag},
			{Name: "why", Usage: "list the tags that keep an object, a stream or a blob", ArgsUsage: "DIGEST", Flags: common, Action: why},
		},
	})
}
