package main

import (
	"errors"
	"fmt"
	"runtime/debug"

	"cfs/lib/build"
	"cfs/lib/repo"
	"cfs/lib/tool"
)

// read reads what the image is made of.
func (o *options) read(r *repo.Repo) (*build.Recipe, error) {
	in := build.Input{Repo: r, Algorithm: o.algorithm, Formats: o.formats, Auto: o.version == autoVersion, Rules: &o.rules}
	switch {
	case o.dumpfile != "":
		f, err := tool.OpenInput(o.dumpfile)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		recipe, err := in.Dumpfile(f, o.compat)
		if err != nil {
			err = fmt.Errorf("%s: %w", o.dumpfile, err)
		}
		return recipe, err
	case o.tree.Path != "":
		debug.SetGCPercent(100) // no stage of a pipe, and a tree on disk is all small things
		o.tree.Xattrs, o.tree.Bootable = o.wanted.Xattrs, o.wanted.Bootable
		return in.Directory(o.tree)
	case o.oci != "":
		recipe, v, err := in.Container(o.oci, o.wanted)
		if err == nil && !o.wanted.Expected.IsZero() {
			o.Warn("%s", build.Found(o.wanted.Expected, v))
		}
		return recipe, usage(err)
	}
	image, err := o.operands().EROFS(o.image)
	if err != nil {
		return nil, err
	}
	return in.EROFS(image)
}

// usage makes the error of a digest that makes no sense for the repository a usage error.
func usage(err error) error {
	if _, ok := errors.AsType[*build.HashError](err); ok {
		return tool.UsageError("%w", err)
	}
	return err
}
