package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"cfs/lib/erofs"
	"cfs/lib/inspect"
	"cfs/lib/terminal"
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

func (o *options) listFlags() []cli.Flag {
	return []cli.Flag{&cli.BoolFlag{Name: "long", Aliases: []string{"l"}, Destination: &o.long, Usage: "long format: mode, owner, size, time, and the target or the object"},
		&cli.BoolFlag{Name: "json", Destination: &o.JSON, Usage: "write the long format as JSON objects"}}
}

// list writes the paths in an image, or those below one of them.
func (o *options) list() error {
	l := inspect.List{Long: o.long, JSON: o.JSON, Name: terminal.NameFor(os.Stdout)}
	if len(o.Operands) == 2 {
		l.Path, o.Operands = o.Operands[1], o.Operands[:1]
	}
	return o.look(func(out io.Writer, image *erofs.Reader) error {
		if err := l.Write(out, image); err != nil {
			return fmt.Errorf("%s: %w", o.Operands[0], err)
		}
		return nil
	})()
}

// cat writes files of an image to stdout.
func (o *options) cat() error {
	if len(o.Operands) < 2 {
		return tool.UsageError("want IMAGE and PATH")
	}
	for _, path := range o.Operands[1:] {
		if err := o.operands().Cat(os.Stdout, o.Operands[0], path); err != nil {
			return err
		}
	}
	return nil
}

// tar writes the tree of an image as a tar to stdout.
func (o *options) tar() error {
	if len(o.Operands) != 1 {
		return tool.UsageError("want one IMAGE")
	}
	if terminal.Is(os.Stdout) {
		return tool.UsageError("a tar is not written to a terminal: redirect stdout")
	}
	return o.operands().Tar(os.Stdout, o.Operands[0])
}

func (o *options) dumpFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "compat", Destination: &o.compat, Usage: "write the dumpfile as composefs-info does"},
		&cli.StringSliceFlag{Name: "filter", Destination: &o.names, Usage: "limit the output to the entry `NAME` of the root directory, and everything below it; may be repeated"},
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
