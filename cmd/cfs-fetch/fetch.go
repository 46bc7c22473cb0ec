package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"cfs/lib/oci"
	"cfs/lib/record"
	"cfs/lib/spool"
	"cfs/lib/tool"
)

// fetcher gets the blobs of an image into the spool, and says so.
type fetcher struct {
	*image
	c     *cli.Context
	out   *record.Writer
	spool *spool.Spool // nil if the blobs are files where they are
	meter *tool.Meter
}

// fetch writes the records of an image, or of what went wrong.
func fetch(c *cli.Context) error {
	out := tool.Records(c)
	tool.WatchReader(out)
	return tool.Fail(c, out, records(c, out))
}

func records(c *cli.Context, out *record.Writer) error {
	if c.NArg() != 1 {
		return tool.UsageError("want one SOURCE")
	}
	if c.Int("jobs") < 1 {
		return tool.UsageError("--jobs %d: want a positive number", c.Int("jobs"))
	}
	f := &fetcher{c: c, out: out, meter: tool.NewMeter(c)}
	var err error
	if f.image, err = open(c, f.retrying); err != nil {
		return err
	}
	defer f.Close()
	layers, err := f.layers()
	if err != nil {
		return err
	}
	if err := findStored(c, layers); err != nil {
		return err
	}
	if c.Bool("plan") {
		return f.plan(layers)
	}
	return f.run(layers)
}

func (f *fetcher) retrying(err error, wait time.Duration) {
	f.meter.Say("%s; again in %s", tool.OneLine(err), wait.Round(time.Millisecond))
}

// findStored finds the layers that the repository has. One that is missing is empty. The
// lock does not outlast the look: who uses a stream looks it up again.
func findStored(c *cli.Context, layers []*part) error {
	r, err := tool.OpenRepo(c, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, p := range layers {
		if id, err := oci.Stored(r, p.key, p.rec.Kind == "layer"); err == nil {
			p.stream = id.String()
		}
	}
	return r.Close()
}

// run writes the record of each blob as soon as it is there, the manifest's last.
func (f *fetcher) run(layers []*part) error {
	if err := f.openSpool(); err != nil {
		return err
	}
	var missing []*part
	for _, p := range layers {
		switch path, err := f.Path(p.desc); {
		case err != nil:
			return err
		case p.stream != "":
			if err := f.stored(p); err != nil {
				return err
			}
		case path != "":
			if err := f.local(p, path); err != nil {
				return err
			}
		default:
			missing = append(missing, p)
		}
	}
	if err := f.download(missing); err != nil {
		return explain(err)
	}
	return f.finish(layers)
}

// openSpool opens the spool if blobs have to be put there.
func (f *fetcher) openSpool() error {
	path, err := f.Path(f.desc)
	if err != nil || path != "" {
		return err
	}
	dir, err := spoolDir(f.c)
	if err != nil {
		return err
	}
	if f.spool, err = spool.Open(f.c.Context, dir); err != nil {
		return tool.Hint(err, "--spool DIR names another place")
	}
	f.spool.Waiting = func(d v1.Descriptor) { f.meter.Say("waiting for another cfs-fetch, which is getting %s", d.Digest) }
	return nil
}

// stored writes the record of a blob that the repository has. A pull that was killed
// before it could do so may have left it in the spool.
func (f *fetcher) stored(p *part) error {
	if f.spool != nil && !f.c.Bool("keep-spool") {
		if err := f.spool.Drop(p.desc); err != nil {
			return fmt.Errorf("spool: %w", err)
		}
	}
	return f.out.Write(p.rec.Set("stream", p.stream))
}

// local writes the record of a blob that is a file where it is.
func (f *fetcher) local(p *part, path string) error {
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("%s %s: %w", p.rec.Kind, p.desc.Digest, err)
	}
	return f.out.Write(p.rec.Set("path", path))
}

// download gets blobs into the spool, several at once.
func (f *fetcher) download(parts []*part) error {
	group, ctx := errgroup.WithContext(f.c.Context)
	group.SetLimit(f.c.Int("jobs"))
	items := make([]*tool.Item, len(parts))
	for n, p := range parts {
		items[n] = f.meter.Add(p.rec.Kind, p.rec.Digest, p.desc.Size)
	}
	f.meter.Start()
	defer f.meter.Close()
	for n, p := range parts {
		group.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := f.get(ctx, p, f.Open, items[n].Set); err != nil {
				return err
			}
			items[n].Done("fetched")
			return nil
		})
	}
	return group.Wait()
}

// get gets one blob into the spool and writes its record.
func (f *fetcher) get(ctx context.Context, p *part, open spool.OpenBlob, watch func(int64)) error {
	path, err := f.spool.Fetch(ctx, p.desc, open, watch)
	if err != nil {
		return fmt.Errorf("%s %s: %w", p.rec.Kind, p.desc.Digest, err)
	}
	return f.write(p, path)
}

// write writes the record of a blob that is in the spool.
func (f *fetcher) write(p *part, path string) error {
	rec := p.rec.Set("path", path)
	if !f.c.Bool("keep-spool") && !f.spool.Kept(p.desc) {
		rec = rec.Set("spooled", "1")
	}
	return f.out.Write(rec)
}

// finish writes the records of config and manifest.
func (f *fetcher) finish(layers []*part) error {
	if f.spool != nil {
		return explain(f.finishSpool(layers))
	}
	for _, p := range f.ends() {
		path, err := f.Path(p.desc)
		if err != nil {
			return err
		}
		if err := f.out.Write(p.rec.Set("path", path)); err != nil {
			return err
		}
	}
	return nil
}

// finishSpool puts config and manifest into the spool. If that stays, and has all of the
// image, it is a layout with the image then.
func (f *fetcher) finishSpool(layers []*part) error {
	ends := f.ends()
	if err := f.get(f.c.Context, ends[0], ends[0].open, nil); err != nil {
		return err
	}
	manifest := ends[1]
	path, err := f.spool.Fetch(f.c.Context, manifest.desc, manifest.open, nil)
	if err != nil {
		return fmt.Errorf("manifest %s: %w", manifest.desc.Digest, err)
	}
	missing := func(p *part) bool { return !f.spool.Whole(p.desc) }
	if f.c.Bool("keep-spool") && !slices.ContainsFunc(layers, missing) {
		name := strings.TrimPrefix(f.name, "docker://")
		if err := f.spool.Keep(f.c.Context, f.desc, name); err != nil {
			return fmt.Errorf("spool: %w", err)
		}
	}
	return f.write(manifest, path)
}
