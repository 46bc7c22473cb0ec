package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/pull"
	"cfs/lib/record"
	"cfs/lib/spool"
	"cfs/lib/terminal"
	"cfs/lib/tool"
)

// fetch writes the records of an image, or of what went wrong.
func (o *options) fetch() error {
	out := o.Records()
	tool.WatchReader(out)
	return o.Fail(out, o.run(context.Background(), out))
}

func (o *options) run(ctx context.Context, out *record.Writer) error {
	if len(o.Operands) != 1 {
		return tool.UsageError("want one SOURCE")
	}
	if err := o.CheckCommand(o.Operands[0], "docker://"+o.Operands[0]); err != nil {
		return err
	}
	if o.jobs < 1 {
		return tool.UsageError("--jobs %d: want a positive number", o.jobs)
	}
	if err := o.checkIncremental(); err != nil {
		return err
	}
	meter := o.Printer().Meter()
	origin, err := o.open(ctx, func(err error, wait time.Duration) {
		meter.Say("%s; retrying in %s", terminal.Line(err.Error()), wait.Round(time.Millisecond))
	}, o.stored)
	if err != nil {
		return err
	}
	defer origin.Close()
	layers, err := origin.Layers()
	if err != nil {
		return err
	}
	if o.withReferrers {
		if err := o.readReferrers(ctx, origin); err != nil {
			return err
		}
	}
	blobs := origin.ReferrerBlobs()
	if err := o.findStored(layers, blobs); err != nil {
		return err
	}
	f := &pull.Fetcher{Origin: origin, Out: out, Keep: o.keepSpool, Jobs: o.jobs, Meter: meter}
	release, err := o.parts(f, layers)
	if err != nil {
		return err
	}
	defer release()
	if o.planOnly {
		return o.plan(ctx, f, append(layers, blobs...))
	}
	if err := o.openSpool(ctx, f); err != nil {
		return err
	}
	if f.Spool != nil {
		defer f.Spool.Close()
	}
	return explain(f.Run(ctx, layers, blobs))
}

// readReferrers reads the artifacts of signatures of the image, and warns of those that its
// source lists and does not have.
func (o *options) readReferrers(ctx context.Context, origin *pull.Origin) error {
	gone, err := origin.ReadReferrers(ctx)
	for _, d := range gone {
		o.Warn("warning: referrer %s: the source lists it, but does not have it", d.Digest)
	}
	return explain(err)
}

// stored returns a document that the repository has. What is wrong with that is said when layers are
// looked for.
func (o *options) stored(d v1.Descriptor) []byte {
	r, err := o.OpenRepo(false)
	if err != nil {
		return nil
	}
	defer r.Close()
	return pull.StoredDocument(r, d)
}

// findStored finds the layers that the repository has. One that is missing is empty. The
// lock does not outlast the look.
func (o *options) findStored(lists ...[]pull.Layer) error {
	r, err := o.OpenRepo(false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, layers := range lists {
		err = errors.Join(err, pull.FindStored(r, layers))
	}
	return errors.Join(err, r.Close())
}

// openSpool opens the spool if blobs have to be put there.
func (o *options) openSpool(ctx context.Context, f *pull.Fetcher) error {
	local, err := f.IsLocal()
	if err != nil || local {
		return err
	}
	dir, err := o.spoolDir()
	if err != nil {
		return err
	}
	openSpool := spool.Open
	if o.untrustedSpool {
		openSpool = spool.OpenUntrusted
	}
	f.Spool, err = openSpool(ctx, dir)
	switch {
	case errors.Is(err, spool.ErrUntrusted):
		return tool.Hint(err, "use another --spool DIR, or use this one anyway with --untrusted-spool")
	case err != nil:
		return tool.Hint(err, "use another --spool DIR")
	}
	f.Spool.Waiting = func(d v1.Descriptor) { f.Meter.Say("waiting for another cfs-fetch, which is getting %s", d.Digest) }
	return nil
}

// plan prints what would be done, and makes no spool.
func (o *options) plan(ctx context.Context, f *pull.Fetcher, layers []pull.Layer) error {
	dir, err := o.spoolDir()
	if err != nil {
		return err
	}
	switch _, err := os.Stat(dir); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	default:
		if err := o.openSpool(ctx, f); err != nil {
			return err
		}
	}
	p, err := f.Plan(ctx, layers, dir)
	if err != nil {
		return explain(err)
	}
	if o.JSON {
		return p.WriteJSON(os.Stdout)
	}
	return p.WriteText(os.Stdout)
}
