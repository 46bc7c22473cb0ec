package main

import (
	"errors"
	"os"

	"cfs/lib/gc"
	"cfs/lib/mount"
	"cfs/lib/repo"
	"cfs/lib/tool"
)

// collect removes what nothing refers to, and says how much that was.
func (o *options) collect() error {
	if len(o.Operands) > 0 {
		return tool.UsageError("unexpected operand %q", o.Operands[0])
	}
	r, err := o.openExclusive(!o.dryRun)
	if err != nil {
		return err
	}
	defer r.Close()
	mounted, err := mount.Mounted()
	if err != nil {
		return err
	}
	k := gc.Collector{Repo: r, Mounts: *mounted, DropMounts: o.dropMounts, Keep: o.keep, AllowEmpty: o.allowEmpty, DryRun: o.dryRun,
		Warn: func(err error) { o.Warn("warning: %v", err) }}
	result, err := k.Run()
	if errors.Is(err, gc.ErrNoRoots) {
		return tool.Hint(err, "--allow-empty does so")
	}
	if err != nil {
		return err
	}
	if o.dryRun {
		if _, err := os.Stdout.WriteString("Dry run (no files deleted):\n"); err != nil {
			return err
		}
	}
	return result.WriteText(os.Stdout)
}

// openExclusive opens the repository, with an exclusive lock if something is to be removed.
func (o *options) openExclusive(remove bool) (*repo.Repo, error) {
	r, err := o.OpenRepo(remove)
	if err != nil || !remove {
		return r, err
	}
	if err := r.Writable(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}
