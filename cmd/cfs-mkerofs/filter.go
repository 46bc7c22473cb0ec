package main

import (
	"runtime/debug"

	"cfs/lib/progress"
	"cfs/lib/pull"
	"cfs/lib/record"
	"cfs/lib/tool"
)

// gcPercent is more than other stages have: a tree is all small things, which would be
// marked again and again while it grows, and they are most of what is in memory.
const gcPercent = 50

// filter is the stage of the pipe.
func (o *options) filter() error {
	debug.SetGCPercent(gcPercent)
	count := o.Printer().Counter("mkerofs", progress.Entries)
	m := &pull.Maker{Open: o.OpenToWrite, Out: o.Records(), Count: count, Warn: o.Warn, Status: tool.Status}
	check := func() error {
		err := o.checkStage()
		m.Formats, m.Rules, m.Boot = o.formats, &o.rules, o.wanted
		return err
	}
	finish := func() error {
		partial, err := m.Finish()
		if err == nil && partial != 0 {
			err = tool.Silent(partial)
		}
		return err
	}
	closeAll := func() error {
		count.Close()
		return m.Close()
	}
	err := o.Filter(m.Out, tool.Stage{
		Check: check, Handle: func(rec record.Record) error { return usage(m.Handle(rec)) }, Finish: finish, Close: closeAll,
		From: "cfs-fetch SOURCE | cfs-import | cfs-mkerofs",
	})
	o.warn()
	return err
}
