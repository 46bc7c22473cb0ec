package main

import (
	"os"

	"cfs/lib/mount"
	"cfs/lib/record"
	"cfs/lib/survey"
)

// info describes the repository.
func (o *options) info() error {
	if len(o.Operands) > 0 {
		return o.Unexpected()
	}
	r, err := o.OpenRepo(false)
	if err != nil {
		return err
	}
	defer r.Close()
	mounted, err := mount.Mounted()
	if err != nil {
		return err
	}
	info, err := survey.Describe(r, mounted, func(err error) { o.Warn("warning: %v", err) })
	if err == nil && o.spool != "" {
		err = info.AddSpool(r, o.spool)
	}
	if err != nil {
		return err
	}
	if o.JSON {
		return record.WriteJSON(os.Stdout, info)
	}
	return info.WriteText(os.Stdout)
}
