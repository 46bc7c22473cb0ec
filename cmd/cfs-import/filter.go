package main

import (
	"cmp"
	"errors"
	"io/fs"
	"os"

	"cfs/lib/progress"
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
	closeAll := func() error {
		i.Count.Close()
		return i.Close()
	}
	err := o.Filter(i.Out, tool.Stage{Start: start, Close: closeAll, From: "cfs-fetch SOURCE | cfs-import",
		Handle: func(rec record.Record) error { return again(i.Handle(rec)) }, Finish: func() error { return again(i.Finish()) }})
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
	p := o.Printer()
	return &pull.Importer{Open: o.open, OpenFrom: o.OpenOther, Out: o.Records(), Rules: tolerance.Strict(o.strict), MarkNew: o.markNew, Progress: p, Count: p.Counter("import", progress.Bytes)}
}

// importFile imports the tar of a name, "-" for stdin.
func (o *options) importFile(name string) (err error) {
	diffID, err := o.wantedDiffID()
	if err != nil {
		return err
	}
	i := o.importer()
	defer i.Count.Close()
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
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			i.Count.Expect("", info.Size())
		}
		in = f
	}
	return i.Import(name, in, diffID)
}
