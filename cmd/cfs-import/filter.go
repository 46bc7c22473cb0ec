package main

import (
	"cmp"
	"errors"
	"io/fs"
	"os"

	"cfs/lib/pull"
	"cfs/lib/record"
	"cfs/lib/temporary"
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
	err := o.Filter(i.Out, tool.Stage{Start: start, Handle: func(rec record.Record) error { return again(i.Handle(rec)) }, Finish: func() error { return again(i.Finish()) }, Close: i.Close, From: "cfs-fetch SOURCE | cfs-import"})
	for _, text := range i.Rules.Warnings() {
		o.Warn("warning: %s", text)
	}
	return err
}

// again says what to do about an error of what is not stored any more.
func again(err error) error {
	if temporary.Is(err) {
		return tool.Hint(err, "pull the image again")
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
		if errors.Is(err, fs.ErrNotExist) {
			err = cmp.Or(o.CheckCommand(name, "./"+name), err)
		}
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	return i.Import(name, in, diffID)
}
