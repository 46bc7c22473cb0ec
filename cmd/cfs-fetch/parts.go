package main

import (
	"errors"
	"io/fs"
	"slices"

	"cfs/lib/incremental"
	"cfs/lib/pull"
	"cfs/lib/tool"
)

// The values of --incremental: which images files may be taken from.
const (
	incrementalAuto  = "auto" // those that were pulled from the same registry
	incrementalAny   = "any"
	incrementalNever = "never"
)

func (o *options) checkIncremental() error {
	if !slices.Contains([]string{incrementalAuto, incrementalAny, incrementalNever}, o.incremental) {
		return tool.UsageError("--incremental %s: want auto, any or never", o.incremental)
	}
	if o.requestCost < 0 {
		return tool.UsageError("--request-cost %d: want a number of bytes, not a negative one", o.requestCost)
	}
	return nil
}

// parts has f put layers together from parts of their blobs, if some have a form for that and the
// repository has layers to look for files in. The function returned releases the lock of the repository: not
// before the records are written, so that what they refer to stays.
func (o *options) parts(f *pull.Fetcher, layers []pull.Layer) (release func() error, err error) {
	release = func() error { return nil }
	open := f.Spans()
	if open == nil || o.incremental == incrementalNever || o.keepSpool || !f.HasParts(layers) {
		return release, nil
	}
	r, err := o.OpenRepo(false)
	if errors.Is(err, fs.ErrNotExist) {
		return release, nil
	}
	if err != nil {
		return release, err
	}
	streams, err := incremental.Streams(r, o.Operands[0], o.incremental == incrementalAny)
	if err != nil || len(streams) == 0 {
		return release, errors.Join(err, r.Close())
	}
	f.Parts = &incremental.Assembler{Repo: r, Streams: streams, Cost: o.requestCost, Open: open}
	return r.Close, nil
}
