// Cfs-fetch gets the blobs of an image and writes a record for each.
//
// It verifies manifest and config, names layers and other blobs, and leaves out
// what the repository has: a later stage then finds it by its stream. The blobs of
// local directories are named where they lie, others are fetched into the spool.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"cfs/lib/blob"
	"cfs/lib/tool"
)

const description = `SOURCE is docker://HOST/NAME[:TAG|@DIGEST], for which a bare NAME stands too,
oci:DIR[:REF] (an OCI image layout), oci-archive:FILE[:REF], docker-archive:FILE[:REF] or
dir:DIR. Writes records for cfs-import.

Registries are reached as registries.conf, auth.json, certs.d and the proxies of the
environment say. Signatures are not verified: policy.json is not read. What is named is
verified against its digest.

What is cut off goes on where it stopped, also in a later run: the spool has what there
is of a blob.

EXAMPLES:
   cfs-fetch docker://example.com/app:1 | cfs-import --init | cfs-mkerofs | cfs-link
   cfs-fetch --plan docker://example.com/app:1
   cfs-fetch inspect --config oci:layout | jq .rootfs`

func main() {
	flags := append([]cli.Flag{
		&cli.BoolFlag{Name: "keep-spool", Usage: "leave fetched blobs in the spool after use"},
		&cli.IntFlag{Name: "jobs", Value: 4, Usage: "fetch `N` blobs at once"},
		&cli.BoolFlag{Name: "plan", Usage: "only say what would be fetched and what is there, in bytes"},
		tool.ProgressFlag(),
	}, append(sourceFlags(), tool.RecordFlags()...)...)
	tool.Main(&cli.App{
		Name:        "cfs-fetch",
		Usage:       "get the blobs of an image",
		UsageText:   "cfs-fetch [options] SOURCE\ncfs-fetch cat [options] SOURCE DIGEST\ncfs-fetch inspect [--config] [options] SOURCE",
		Description: description,
		Flags:       flags,
		Action:      fetch,
		Commands: []*cli.Command{
			{Name: "cat", Usage: "write one blob of an image, verified, to stdout", ArgsUsage: "SOURCE DIGEST", Flags: sourceFlags(), Action: cat},
			{Name: "inspect", Usage: "write the manifest of an image, or its config, to stdout", ArgsUsage: "SOURCE", Action: inspect,
				Flags: append([]cli.Flag{&cli.BoolFlag{Name: "config", Usage: "the config instead of the manifest"}}, sourceFlags()...)},
		},
	})
}

func cat(c *cli.Context) error {
	if c.NArg() != 2 {
		return tool.UsageError("want SOURCE and DIGEST")
	}
	i, err := open(c, nil)
	if err != nil {
		return err
	}
	defer i.Close()
	d, err := i.blob(c.Args().Get(1))
	if err != nil {
		return err
	}
	in, err := i.Open(c.Context, d, 0)
	if err != nil {
		return explain(fmt.Errorf("blob %s: %w", d.Digest, err))
	}
	verified, err := blob.NewReader(in, d.Digest, d.Size)
	if err == nil {
		_, err = io.Copy(os.Stdout, verified)
	}
	return explain(errors.Join(err, in.Close()))
}

func inspect(c *cli.Context) error {
	if c.NArg() != 1 {
		return tool.UsageError("want one SOURCE")
	}
	i, err := open(c, nil)
	if err != nil {
		return err
	}
	defer i.Close()
	text := i.text
	if c.Bool("config") {
		text = i.config
	}
	_, err = fmt.Printf("%s\n", text)
	return err
}
