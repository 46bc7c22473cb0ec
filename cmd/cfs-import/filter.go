package main

import (
	"errors"
	"os"

	"cfs/lib/pull"
	"cfs/lib/terminal"
	"cfs/lib/tolerance"
	"cfs/lib/tool"
)

func (o *options) run() error {
	switch len(o.Operands) {
	case 0:
		return o.filter()
	case 1:
		return o.importFile(o.Operands[0])
	}
	return tool.UsageError("want one FILE, or none")
}

// filter is the stage of the pipe.
func (o *options) filter() error {
	i := o.importer()
	start := func() (err error) {
		if i.Jobs, err = o.layersAtOnce(); err != nil {
			return err
		}
		return i.Start()
	}
	if o.init && terminal.Is(os.Stdin) {
		return o.Fail(i.Out, errors.Join(start(), i.Close())) // it is about the repository alone
	}
	err := o.Filter(i.Out, tool.Stage{Start: start, Handle: i.Handle, Finish: i.Finish, Close: i.Close, From: "cfs-fetch SOURCE | cfs-import"})
	for _, text := range i.Rules.Warnings() {
		o.Warn("warning: %s", text)
	}
	return err
}

func (o *options) importer() *pull.Importer {
	return &pull.Importer{Open: o.open, Out: o.Records(), Rules: tolerance.Strict(o.strict), Progress: o.Printer()}
}

// importFile imports the tar of a name, "-" for stdin.
func (o *options) importFile(name string) (err error) {
	diffID, err := o.wantedDiffID()
	if err != nil {
		return err
	}
	i := o.importer()
	if err := i.Start(); err != nil {
		return err
	}
	defer tool.Close(i.Close, &err)
	in := os.Stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	return i.Import(name, in, diffID)
}
