package main

import (
	"os"
	"strconv"

	"github.com/urfave/cli/v2"

	"cfs/lib/compare"
	"cfs/lib/tool"
)

const diffHelp = "A and B are images or dumpfiles, each an fs-verity digest, a container image by tag or digest,\n" +
	"or a file. A file that has the name of a tag is written with ./ before it.\n\n" +
	"Each difference is a line: the path, what differs, and what it is in A and in B. A last\n" +
	"line says the cause if one explains all. The status is 1 if there is a difference."

func diffFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "compat", Usage: "take dumpfiles that only mkcomposefs takes"},
		&cli.BoolFlag{Name: "json", Usage: "write differences and cause as JSON objects, one a line"},
	}
}

// diff says how the trees of two images or dumpfiles differ, and why.
func diff(c *cli.Context) error {
	if c.NArg() != 2 {
		return tool.UsageError("want two operands, A and B")
	}
	a, err := readOperand(c, c.Args().Get(0))
	if err != nil {
		return err
	}
	b, err := readOperand(c, c.Args().Get(1))
	if err != nil {
		return err
	}
	out := compare.NewPrinter(os.Stdout, c.Bool("json"))
	summary, err := compare.Compare(a.Tree, b.Tree, out.Difference)
	if err != nil {
		return err
	}
	equal, cause := summary.Equal(), summary.Cause()
	if equal && a.image != nil && b.image != nil {
		if offset, differ := a.image.Mismatch(b.image); differ {
			equal, cause = false, "trees and formats equal, images differ from byte "+strconv.Itoa(offset)+" on"
		}
	}
	if err := out.Finish(cause); err != nil {
		return err
	}
	if !equal {
		return tool.Silent(tool.Failed)
	}
	return nil
}
