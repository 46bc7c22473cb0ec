package main

import (
	"cfs/lib/pull"
	"cfs/lib/tool"
)

// filter is the last stage of the pipe. What it makes is the tag, which it moves though
// nobody may read its records any more.
func (o *options) filter() error {
	l := &pull.Linker{Open: o.OpenToWrite, Lock: o.Lock(true), Name: o.tagOf, Out: o.Records()}
	defer l.Close()
	finish := func() error {
		partial, err := l.Finish()
		if err == nil && partial != 0 {
			err = tool.Silent(partial) // whoever could not make a part has said so
		}
		return err
	}
	return o.Filter(l.Out, tool.Stage{Start: o.check, Handle: l.Handle, Finish: finish, Product: true})
}
