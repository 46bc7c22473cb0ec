// Cfs-import turns the tar of a layer into objects and a splitstream.
//
// As a filter it does so for each layer record with a path, several at once, and
// writes the record when the layer is stored, durable and leased. By itself it
// takes one tar.
package main

import (
	"github.com/urfave/cli/v2"

	"cfs/lib/tool"
)

func main() {
	common := append(tool.RepoFlags(), tool.RecordFlags()...)
	flags := append([]cli.Flag{
		&cli.StringFlag{Name: "diff-id", Usage: "the uncompressed tar must have this `DIGEST`"},
		&cli.BoolFlag{Name: "init", Usage: "make the repository if there is none"},
		&cli.StringFlag{Name: "algorithm", Value: "fsverity-sha512-12", Usage: "with --init: fs-verity `ALGORITHM`, fsverity-sha512-12 or fsverity-sha256-12"},
		&cli.StringFlag{Name: "erofs-version", Value: "1", Usage: "with --init: formats of EROFS images, `V`[,V], the default first"},
		&cli.BoolFlag{Name: "insecure", Usage: "with --init: make one that does not need fs-verity"},
		&cli.BoolFlag{Name: "strict", Usage: "refuse media types that cfsctl does not know"},
		&cli.IntFlag{Name: "jobs", DefaultText: "number of CPUs", Usage: "import `N` layers at once"},
		tool.ProgressFlag(),
	}, common...)
	tool.Main(&cli.App{
		Name:      "cfs-import",
		Usage:     "store layers as splitstreams",
		UsageText: "cfs-import [options] < RECORDS\ncfs-import [options] [--diff-id DIGEST] FILE|-\ncfs-import cat|ls|show [options] STREAM",
		Description: "Stores the layers that records on stdin name by path=, and repeats the records with\nstream= instead. " +
			"With FILE, or - for stdin, it stores one tar, plain or compressed by gzip or zstd.\n\n" +
			"STREAM is the name of a stream, a ref (refs/…), a diff ID, or the fs-verity digest of\na splitstream.\n\n" +
			"EXAMPLES:\n   cfs-fetch oci:layout:latest | cfs-import --init --insecure\n   cfs-import rootfs.tar.gz\n   cfs-import cat sha256:… | tar -t",
		Flags:  flags,
		Action: run,
		Commands: []*cli.Command{
			{Name: "cat", Usage: "write the original bytes of a stream to stdout", ArgsUsage: "STREAM", Flags: common, Action: cat},
			{Name: "ls", Usage: "list the members of a layer", ArgsUsage: "STREAM", Flags: common, Action: list},
			{Name: "show", Usage: "tell type, size and references of a stream", ArgsUsage: "STREAM", Flags: common, Action: show},
		},
	})
}

func run(c *cli.Context) error {
	switch c.NArg() {
	case 0:
		return filter(c)
	case 1:
		return one(c)
	}
	return tool.UsageError("want one FILE, or none")
}
