package main

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"strconv"

	"github.com/urfave/cli/v2"

	"cfs/lib/compare"
	"cfs/lib/dumpfile"
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
	out := newPrinter(os.Stdout, c.Bool("json"))
	summary, err := compare.Compare(a.Tree, b.Tree, out.difference)
	if err != nil {
		return err
	}
	equal, cause := summary.Equal(), summary.Cause(dumpfile.Escape)
	if equal && a.image != nil && b.image != nil {
		if offset, differ := a.image.Mismatch(b.image); differ {
			equal, cause = false, "trees and formats equal, images differ from byte "+strconv.Itoa(offset)+" on"
		}
	}
	if err := out.finish(cause); err != nil {
		return err
	}
	if !equal {
		return tool.Silent(tool.Failed)
	}
	return nil
}

// printer prints differences, a line each.
type printer struct {
	out  *bufio.Writer
	json *json.Encoder // nil for text
}

func newPrinter(w io.Writer, asJSON bool) *printer {
	p := &printer{out: bufio.NewWriterSize(w, 1<<16)}
	if asJSON {
		p.json = json.NewEncoder(p.out)
		p.json.SetEscapeHTML(false)
	}
	return p
}

func (p *printer) difference(d compare.Difference) error {
	if p.json != nil {
		return p.json.Encode(struct {
			Path      string  `json:"path"`
			Attribute string  `json:"attribute"`
			Name      string  `json:"name,omitempty"`
			Old       *string `json:"old,omitempty"`
			New       *string `json:"new,omitempty"`
		}{dumpfile.Escape(d.Path), d.Attribute, dumpfile.Escape(d.Name), escaped(d.Old), escaped(d.New)})
	}
	line := dumpfile.Escape(d.Path) + ": " + d.Attribute + " "
	switch d.Attribute {
	case compare.Added:
		line += show(d.New)
	case compare.Removed:
		line += show(d.Old)
	case compare.Xattr:
		line += dumpfile.Escape(d.Name) + " " + show(d.Old) + " -> " + show(d.New)
	default:
		line += show(d.Old) + " -> " + show(d.New)
	}
	_, err := p.out.WriteString(line + "\n")
	return err
}

// finish prints what explains all, if anything does.
func (p *printer) finish(cause string) error {
	var err error
	switch {
	case cause == "":
	case p.json != nil:
		err = p.json.Encode(map[string]string{"cause": cause})
	default:
		_, err = p.out.WriteString("cause: " + cause + "\n")
	}
	if err != nil {
		return err
	}
	return p.out.Flush()
}

// escaped returns a value for JSON.
func escaped(v compare.Value) *string {
	if !v.Set {
		return nil
	}
	s := dumpfile.Escape(v.Text)
	return &s
}

// show returns a value as text: - is none, and "" an empty one.
func show(v compare.Value) string {
	switch {
	case !v.Set:
		return "-"
	case v.Text == "":
		return `""`
	case v.Text == "-":
		return `\x2d`
	case v.Text == `""`:
		return `\x22\x22`
	}
	return dumpfile.Escape(v.Text)
}
