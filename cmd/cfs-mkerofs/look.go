package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"cfs/lib/erofs"
	"cfs/lib/inspect"
	"cfs/lib/tool"
)

// operands opens what operands name.
func (o *options) operands() inspect.Operands {
	return inspect.Operands{RepoPath: o.RepoPath, OpenRepo: o.OpenRepo}
}

// look returns a command that prints something of the image that its operand names.
func (o *options) look(print func(io.Writer, *erofs.Reader) error) func() error {
	return func() error {
		if len(o.Operands) != 1 {
			return tool.UsageError("want one IMAGE")
		}
		image, err := o.operands().EROFS(o.Operands[0])
		if err != nil {
			return err
		}
		return print(os.Stdout, image)
	}
}

func (o *options) dumpFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "compat", Destination: &o.compat, Usage: "write the dumpfile as composefs-info does"},
		&cli.StringSliceFlag{Name: "filter", Destination: &o.names, Usage: "of the entries of the root, write the one with this `NAME` alone, and what is below it; more than once for more"},
	}
}

// dump writes the dumpfile of an image.
func (o *options) dump() error {
	names := o.names.Value()
	for _, name := range names {
		if strings.Contains(name, "/") {
			return tool.UsageError("--filter %q: want the name of an entry of the root, not a path", name)
		}
	}
	return o.look(func(out io.Writer, image *erofs.Reader) error {
		if err := inspect.Dump(out, image, names, o.compat); err != nil {
			return fmt.Errorf("%s: %w", o.Operands[0], err)
		}
		return nil
	})()
}
