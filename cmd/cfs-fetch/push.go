package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"cfs/lib/pull"
	"cfs/lib/registry"
	"cfs/lib/source"
	"cfs/lib/terminal"
	"cfs/lib/tool"
)

// pushSignatures puts the artifacts of signatures of a layout beside their image in a registry,
// and writes the record of each.
func (o *options) pushSignatures() error {
	if len(o.Operands) != 2 {
		return tool.UsageError("want LAYOUT and docker://HOST/NAME[:TAG|@DIGEST]")
	}
	name, ok := strings.CutPrefix(o.Operands[1], "docker://")
	if !ok {
		return tool.UsageError("%q: want docker://HOST/NAME[:TAG|@DIGEST]", o.Operands[1])
	}
	ctx := context.Background()
	t, err := o.openTarget(name)
	if err != nil {
		return err
	}
	defer t.Close()
	p, err := source.OpenPublication(ctx, strings.TrimPrefix(o.Operands[0], "oci:"))
	if err != nil {
		return err
	}
	if err := p.Push(ctx, t); err != nil {
		return explain(err)
	}
	out := o.Records()
	for _, a := range p.Artifacts {
		if err := out.Write(pull.NewReferrer(a.Descriptor, a.Manifest.Subject.Digest, o.Operands[1]).Record()); err != nil {
			return err
		}
	}
	return nil
}

func (o *options) openTarget(name string) (*registry.Target, error) {
	r, err := o.parseRegistry()
	if err != nil {
		return nil, err
	}
	r.Retrying = func(err error, wait time.Duration) {
		o.Warn("%s; retrying in %s", terminal.Line(err.Error()), wait.Round(time.Millisecond))
	}
	t, err := registry.OpenTarget(name, r)
	if errors.Is(err, registry.ErrName) {
		return nil, tool.UsageError("%w", err)
	}
	return t, err
}
