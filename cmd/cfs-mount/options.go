package main

import (
	"strings"

	"github.com/urfave/cli/v2"

	"cfs/lib/tool"
)

// options are what the command line says about the mount, in either form.
type options struct {
	basedir             []string
	digest, idmap       string
	verity, tryVerity   bool
	upper, work         string
	readWrite, readOnly bool
}

func parseOptions(c *cli.Context) (options, error) {
	o := options{upper: c.String("upperdir"), work: c.String("workdir"), readWrite: c.Bool("read-write"), verity: c.Bool("require-verity")}
	for _, list := range c.StringSlice("options") {
		for _, s := range strings.Split(list, ",") {
			if err := o.set(s); err != nil {
				return o, err
			}
		}
	}
	switch {
	case o.readOnly:
		o.readWrite = false
	case len(c.StringSlice("options")) > 0 && o.upper != "":
		o.readWrite = true // mount.composefs is read-write unless told otherwise
	}
	switch {
	case (o.upper == "") != (o.work == ""):
		return o, tool.UsageError("--upperdir and --workdir go together")
	case o.readWrite && o.upper == "":
		return o, tool.UsageError("--read-write needs --upperdir and --workdir")
	case o.digest != "" && o.basedir == nil:
		return o, tool.UsageError("-o digest goes with -o basedir")
	case c.Bool("bootable") && o.basedir != nil:
		return o, tool.UsageError("--bootable is for images of the repository")
	}
	return o, nil
}

// set takes in one option of mount.composefs.
func (o *options) set(s string) error {
	name, value, hasValue := strings.Cut(s, "=")
	texts := map[string]*string{"digest": &o.digest, "idmap": &o.idmap, "upperdir": &o.upper, "workdir": &o.work}
	flags := map[string]*bool{"verity": &o.verity, "tryverity": &o.tryVerity, "ro": &o.readOnly, "rw": &o.readWrite}
	switch {
	case texts[name] != nil && value != "":
		*texts[name] = value
	case name == "basedir" && value != "":
		o.basedir = append(o.basedir, strings.Split(value, ":")...)
	case flags[name] != nil && !hasValue:
		*flags[name] = true
	default:
		return tool.UsageError("-o %s is not an option of composefs mounts", s)
	}
	return nil
}
