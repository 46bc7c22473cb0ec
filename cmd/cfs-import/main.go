// Cfs-import turns the tar of a layer into objects and a splitstream.
//
// As a filter it does so for each layer record with a path, several at once, and
// writes the record when the layer is stored, durable and leased. With an operand
// it imports one tar.
package main

import (
	"github.com/urfave/cli/v2"

	"cfs/lib/tool"
)

const description = `Stores the layers that records on stdin name by path=, and repeats the records with
stream= instead. With FILE, or - for stdin, it stores one tar, plain or compressed by gzip or zstd.

STREAM is the name of a stream, a ref (refs/…), a diff ID, or the fs-verity digest of
a splitstream.

EXAMPLES:
   cfs-fetch oci:layout:latest | cfs-import --init --insecure
   cfs-import rootfs.tar.gz
   cfs-import cat sha256:… | tar -t`

func main() {
	var o options
	tool.Main(&cli.App{
		Name:        "cfs-import",
		Usage:       "store layers as splitstreams",
		UsageText:   "cfs-import [options] < RECORDS\ncfs-import [options] [--diff-id DIGEST] FILE|-\ncfs-import cat|ls|show [options] STREAM",
		Description: description,
		Flags:       o.flags(),
		Action:      o.Action(o.run),
		Commands: []*cli.Command{
			{Name: "cat", Usage: "write the original bytes of a stream to stdout", ArgsUsage: "STREAM", Flags: o.RepoFlags(), Action: o.Action(o.cat)},
			{Name: "ls", Usage: "list the members of a layer", ArgsUsage: "STREAM", Flags: o.streamFlags(), Action: o.Action(o.list)},
			{Name: "show", Usage: "print type, size and references of a stream", ArgsUsage: "STREAM", Flags: o.streamFlags(), Action: o.Action(o.show)},
		},
	})
}
