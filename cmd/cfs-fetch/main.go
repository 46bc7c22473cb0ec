// Cfs-fetch gets the blobs of an image and writes a record for each.
//
// It verifies manifest and config, names layers and other blobs, and leaves out
// what the repository has: a later stage then finds it by its stream. The blobs of
// a local layout are named where they lie.
package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"cfs/lib/blob"
	"cfs/lib/oci"
	"cfs/lib/record"
	"cfs/lib/tool"
)

var platformFlag = &cli.StringFlag{Name: "platform", Usage: "of an index, take the image for `OS/ARCH[/VARIANT]` (default: this machine's)"}

func main() {
	source := append([]cli.Flag{platformFlag}, tool.RepoFlags()...)
	tool.Main(&cli.App{
		Name:      "cfs-fetch",
		Usage:     "get the blobs of an image",
		UsageText: "cfs-fetch [options] SOURCE\ncfs-fetch cat [options] SOURCE DIGEST\ncfs-fetch inspect [--config] [options] SOURCE",
		Description: "SOURCE is oci:DIR[:REF], an OCI image layout. Writes records for cfs-import.\n\n" +
			"EXAMPLES:\n   cfs-fetch oci:layout:latest | cfs-import --init | cfs-mkerofs | cfs-link --tag NAME\n" +
			"   cfs-fetch inspect --config oci:layout | jq .rootfs",
		Flags:  append(source, tool.RecordFlags()...),
		Action: fetch,
		Commands: []*cli.Command{
			{Name: "cat", Usage: "write one blob of an image, verified, to stdout", ArgsUsage: "SOURCE DIGEST", Flags: source, Action: cat},
			{Name: "inspect", Usage: "write the manifest of an image, or its config, to stdout", ArgsUsage: "SOURCE", Action: inspect,
				Flags: append([]cli.Flag{&cli.BoolFlag{Name: "config", Usage: "the config instead of the manifest"}}, source...)},
		},
	})
}

// fetch writes the records of an image, or of what went wrong.
func fetch(c *cli.Context) error {
	out := tool.Records(c)
	return tool.Fail(c, out, records(c, out))
}

func records(c *cli.Context, out *record.Writer) error {
	if c.NArg() != 1 {
		return tool.UsageError("want one SOURCE")
	}
	s, err := open(c)
	if err != nil {
		return err
	}
	r, err := tool.OpenRepo(c, false)
	if errors.Is(err, fs.ErrNotExist) {
		r, err = nil, nil // one that is missing is empty
	}
	if err != nil {
		return err
	}
	if r != nil {
		defer r.Close()
	}
	return s.write(out, func(key digest.Digest, tar bool) string {
		if r == nil {
			return ""
		}
		id, err := oci.Stored(r, key, tar)
		if err != nil {
			return ""
		}
		return id.String()
	})
}

func cat(c *cli.Context) error {
	if c.NArg() != 2 {
		return tool.UsageError("want SOURCE and DIGEST")
	}
	s, err := open(c)
	if err != nil {
		return err
	}
	d, err := s.blob(c.Args().Get(1))
	if err != nil {
		return err
	}
	in, err := s.layout.Open(d)
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = io.Copy(os.Stdout, in)
	return err
}

func inspect(c *cli.Context) error {
	if c.NArg() != 1 {
		return tool.UsageError("want one SOURCE")
	}
	s, err := open(c)
	if err != nil {
		return err
	}
	text := s.text
	if c.Bool("config") {
		text = s.config
	}
	_, err = fmt.Printf("%s\n", text)
	return err
}

func platform(c *cli.Context) (p v1.Platform, err error) {
	if s := c.String("platform"); s != "" {
		if p, err = blob.ParsePlatform(s); err != nil {
			return p, tool.UsageError("%w", err)
		}
		return p, nil
	}
	return blob.HostPlatform(), nil
}
