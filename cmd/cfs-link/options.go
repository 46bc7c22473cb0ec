package main

import (
	"github.com/urfave/cli/v2"

	"cfs/lib/oci"
	"cfs/lib/pull"
	"cfs/lib/repo"
	"cfs/lib/tool"
)

type options struct {
	tool.Options
	tag            string
	noTag, missing bool
}

func (o *options) flags() []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "tag", Destination: &o.tag, Usage: "tag the image `NAME` (default: its source= in the manifest's record)"},
		&cli.BoolFlag{Name: "no-tag", Destination: &o.noTag, Usage: "do not tag the image"},
	}, o.common()...)
}

func (o *options) listFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.BoolFlag{Name: "missing", Destination: &o.missing, Usage: "only those of container images without an EROFS image"},
	}, o.common()...)
}

// common are the options of all that opens the repository.
func (o *options) common() []cli.Flag { return append(o.RepoFlags(), o.RecordFlags()...) }

var rules = tool.Rules{{If: "tag", Not: "no-tag"}}

// check refuses what is wrong before anything is done.
func (o *options) check() error {
	if len(o.Operands) > 0 {
		return tool.UsageError("unexpected operand %q", o.Operands[0])
	}
	if err := o.Check(rules); err != nil || o.tag == "" {
		return err
	}
	return checkTag(o.tag)
}

func checkTag(name string) error {
	if err := oci.CheckTag(name); err != nil {
		return tool.UsageError("%w", err)
	}
	return nil
}

// tagOf returns how an image is to be tagged, "" for not at all.
func (o *options) tagOf(m pull.Manifest) (string, error) {
	name := m.Source
	switch {
	case o.noTag:
		return "", nil
	case o.tag != "":
		return o.tag, nil // which has been checked
	case name == "":
		return "", tool.UsageError("manifest %s: its record has no source=: want --tag NAME or --no-tag", m.Digest)
	}
	return name, checkTag(name)
}

// withRepo opens the repository for a command with a number of operands.
func (o *options) withRepo(operands int, open func() (*repo.Repo, error), do func(*repo.Repo) error) error {
	if len(o.Operands) != operands {
		return tool.UsageError("want %d operands, have %d", operands, len(o.Operands))
	}
	r, err := open()
	if err != nil {
		return err
	}
	defer r.Close()
	return do(r)
}

func (o *options) openToRead() (*repo.Repo, error) { return o.OpenRepo(false) }
