package main

import (
	"os"

	"cfs/lib/fsck"
	"cfs/lib/tool"
)

// check reads all of the repository, or what some images need, and says what is damaged.
func (o *options) check() error {
	if err := o.Check(tool.Rules{{If: "tags", Not: "json"}}); err != nil {
		return err
	}
	r, err := o.openExclusive(o.repair)
	if err != nil {
		return err
	}
	defer r.Close()
	k := fsck.Checker{Repo: r, Content: o.content, Images: o.Operands}
	report, err := k.Run()
	if err != nil {
		return err
	}
	write := report.WriteText
	switch {
	case o.JSON:
		write = report.WriteJSON
	case o.tags:
		write = report.WriteTags
	}
	if err := write(os.Stdout); err != nil || len(report.Problems) == 0 {
		return err
	}
	if o.repair {
		objects, names, err := k.Repair()
		if err != nil {
			return err
		}
		o.Warn("repaired: removed %d objects and %d names", objects, names)
		if len(report.Damaged) > 0 {
			o.Warn("hint: run cfs-pull --again TAG for each damaged tag to restore it")
		}
	}
	return tool.Silent(tool.Corrupt)
}
