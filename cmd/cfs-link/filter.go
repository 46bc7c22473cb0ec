package main

import (
	"errors"
	"os"

	"cfs/lib/oci"
	"cfs/lib/pull"
	"cfs/lib/record"
	"cfs/lib/temporary"
	"cfs/lib/tool"
)

// filter is the last stage of the pipe. What it makes is the tag, which it moves though
// nobody may read its records any more.
func (o *options) filter() error {
	l := &pull.Linker{Open: o.OpenToWrite, Lock: o.Lock(true), Name: o.tagOf, Out: o.Records(), Check: o.checkLink}
	if o.summary {
		l.Linked = func(s pull.Linked) error { return s.WriteText(os.Stderr) }
	}
	handle := func(rec record.Record) error {
		err := l.Handle(rec)
		if errors.Is(err, oci.ErrIncomplete) {
			err = tool.Hint(err, "run cfs-gc check --repair to remove the layer, then pull again")
		}
		if temporary.Is(err) {
			err = tool.Hint(err, "pull the image again")
		}
		return err
	}
	finish := func() error {
		partial, err := l.Finish()
		if err == nil && partial != 0 {
			err = tool.Silent(partial) // whoever could not make a part has said so
		}
		return err
	}
	return o.Filter(l.Out, tool.Stage{
		Check: o.check, Handle: handle, Finish: finish, Close: l.Close, Product: true,
		From: "cfs-fetch SOURCE | cfs-import | cfs-mkerofs | cfs-link --tag NAME",
	})
}
