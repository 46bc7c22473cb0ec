package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"cfs/lib/tool"
)

// inhibit turns into the command, which has the lock as long as it, or a child that
// it leaves behind, runs.
func (o *options) inhibit() error {
	if len(o.Operands) == 0 {
		return tool.UsageError("want a COMMAND")
	}
	r, err := o.OpenRepo(false)
	if err != nil {
		return err
	}
	if err := r.Inherit(); err != nil {
		return err
	}
	path, err := exec.LookPath(o.Operands[0])
	if err != nil {
		return err
	}
	return fmt.Errorf("%s: %w", path, syscall.Exec(path, o.Operands, os.Environ()))
}
