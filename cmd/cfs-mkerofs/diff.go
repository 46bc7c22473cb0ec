package main

import (
	"os"

	"github.com/urfave/cli/v2"

	"cfs/lib/compare"
	"cfs/lib/inspect"
	"cfs/lib/tool"
)

const diffHelp = "A and B are images or dumpfiles, each an fs-verity digest, a container image by tag or digest,\n" +
	"or a file. A file that has the name of a tag is written with ./ before it.\n\n" +
	"Each difference is a line: the path, what differs, and what it is in A and in B. A last\n" +
	"line says the cause if one explains all. The status is 1 if there is a difference."

func (o *options) diffFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "compat", Destination: &o.compat, Usage: "accept dumpfiles that only mkcomposefs accepts"},
		&cli.BoolFlag{Name: "stat", Destination: &o.stat, Usage: "only count added, removed and changed entries"},
		&cli.BoolFlag{Name: "json", Destination: &o.JSON, Usage: "write differences and cause as JSON objects, one a line"},
	}
}

// diff prints how the trees of two images or dumpfiles differ, and why.
func (o *options) diff() error {
	if len(o.Operands) != 2 {
		return tool.UsageError("want two operands, A and B")
	}
	var sides [2]inspect.Side
	for i, name := range o.Operands {
		var err error
		if sides[i], err = o.operands().Side(name, o.compat); err != nil {
			return err
		}
	}
	equal, err := o.compare(sides[0], sides[1])
	if err == nil && !equal {
		err = tool.Silent(tool.Failed)
	}
	return err
}

func (o *options) compare(a, b inspect.Side) (equal bool, err error) {
	if o.stat {
		var stat compare.Stat
		equal, cause, err := inspect.Diff(a, b, stat.Difference)
		if err == nil {
			err = stat.Write(os.Stdout, cause, o.JSON)
		}
		return equal, err
	}
	out := compare.NewPrinter(os.Stdout, o.JSON)
	equal, cause, err := inspect.Diff(a, b, out.Difference)
	if err == nil {
		err = out.Finish(cause)
	}
	return equal, err
}
