package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"cfs/lib/build"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/tool"
	"cfs/lib/verity"
)

// make makes one image, or is the stage of the pipe if no option says of what.
func (o *options) make() error {
	given := slices.DeleteFunc(slices.Clone(inputs), func(option string) bool { return !o.Given(option) })
	switch {
	case len(given) == 0:
		return o.filter()
	case len(given) > 1:
		return tool.UsageError("--%s are mutually exclusive", strings.Join(given, " and --"))
	case len(o.Operands) > 0:
		return o.Unexpected()
	}
	return o.makeOne()
}

// makeOne makes the image of a dumpfile, a directory, a container image or another image.
func (o *options) makeOne() (err error) {
	if err := o.checkImage(); err != nil {
		return err
	}
	r, err := o.openUsed()
	if err != nil {
		return err
	}
	if r != nil {
		defer tool.Close(r.Close, &err)
	}
	recipe, err := o.read(r)
	if err != nil {
		return err
	}
	o.warn()
	return o.write(recipe, r)
}

// warn tells of what was tolerated and is another image for cfsctl.
func (o *options) warn() {
	for _, text := range o.rules.Warnings() {
		o.Warn("warning: %s", text)
	}
}

// openUsed opens the repository, or returns nil if none is used.
func (o *options) openUsed() (r *repo.Repo, err error) {
	switch {
	case o.store:
		r, err = o.OpenToWrite()
	case o.oci != "":
		r, err = o.OpenRepo(false)
	}
	if r != nil && o.hash != "" && o.algorithm != r.Algorithm {
		err = errors.Join(tool.UsageError("--hash %s: the repository is of %s", o.hash, r.Algorithm), r.Close())
	}
	return r, err
}

// write writes the image where it is wanted, and prints its digest, unless the image itself
// is printed.
func (o *options) write(recipe *build.Recipe, r *repo.Repo) (err error) {
	var id verity.ID
	switch {
	case o.store:
		id, err = recipe.Store(r, o.ref)
	case o.output == "":
		id, err = recipe.Digest()
	case o.output == "-":
		return recipe.Write(os.Stdout)
	default:
		id, err = recipe.WriteFile(o.output, o.ifChanged)
	}
	switch {
	case err != nil:
		return err
	case o.JSON:
		return record.WriteJSON(os.Stdout, struct {
			Version int    `json:"v"`
			Digest  string `json:"digest"`
		}{record.JSONVersion, id.String()})
	}
	_, err = fmt.Println(id)
	return err
}
