package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"cfs/lib/dumpfile"
	"cfs/lib/erofs"
	"cfs/lib/tool"
	"cfs/lib/tree"
)

func dumpFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "compat", Usage: "write the dumpfile as composefs-info does"},
		&cli.StringSliceFlag{Name: "filter", Usage: "of the entries of the root, write the one with this `NAME` alone, and what is below it; more than once for more"},
	}
}

// dump writes the dumpfile of an image.
func dump(c *cli.Context) error {
	names := c.StringSlice("filter")
	for _, name := range names {
		if strings.Contains(name, "/") {
			return tool.UsageError("--filter %q: want the name of an entry of the root, not a path", name)
		}
	}
	image, err := open(c)
	if err != nil {
		return err
	}
	write := writeCanonical
	if c.Bool("compat") {
		write = writeCompat
	}
	if err := write(image, names); err != nil {
		return fmt.Errorf("%s: %w", c.Args().First(), err)
	}
	return nil
}

func writeCanonical(image *erofs.Reader, names []string) error {
	root, err := image.Tree()
	if err != nil {
		return err
	}
	filterRoot(root, names)
	return dumpfile.Write(os.Stdout, root)
}

func writeCompat(image *erofs.Reader, names []string) error {
	root, stored, err := image.Stored()
	if err != nil {
		return err
	}
	filterRoot(root, names)
	return dumpfile.WriteCompat(os.Stdout, root, func(n *tree.Inode) (uint64, uint32, []tree.Xattr) {
		s := stored[n]
		return s.Size, s.Links, s.Xattrs
	})
}

// filterRoot takes all entries out of a root but those with these names, if there are
// any.
func filterRoot(root *tree.Inode, names []string) {
	if len(names) == 0 {
		return
	}
	for _, e := range root.Entries() {
		if !slices.Contains(names, e.Name) {
			root.Remove(e.Name)
		}
	}
}
