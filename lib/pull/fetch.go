package pull

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"cfs/lib/corrupt"
	"cfs/lib/fd"
	"cfs/lib/oci"
	"cfs/lib/progress"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/spool"
)

// Fetcher is the stage that gets the blobs of an image into the spool, and writes a record
// of each: where its bytes are, or as which stream the repository has it.
type Fetcher struct {
	*Origin
	Out   *record.Writer
	Spool *spool.Spool // nil if the blobs are files where they are
	Keep  bool         // blobs stay in the spool after use
	Jobs  int          // blobs at once
	Meter *progress.Meter
}

// FindStored notes in layers the streams of those that the repository has. They are
// claims: a stream that is used later is looked up again. One that is damaged it does not
// have; an error says that this could not be found out.
func FindStored(r *repo.Repo, layers []Layer) error {
	for i := range layers {
		l := &layers[i]
		id, err := oci.Stored(r, l.Key(), !l.Artifact)
		switch {
		case err == nil:
			l.Stream = id
		case !corrupt.OrMissing(err):
			return fmt.Errorf("layer %s: %w", l.Key(), err)
		}
	}
	return nil
}

// Run writes the record of each blob as soon as it is there, the manifest's last. layers
// are those of the origin; one that has a stream is not fetched. An error of a source or of
// the spool is as theirs are; what was fetched until then stays in the spool.
func (f *Fetcher) Run(ctx context.Context, layers []Layer) error {
	var missing []Layer
	for _, l := range layers {
		path, err := f.source.Path(f.descriptor(l))
		switch {
		case err != nil:
			return err
		case !l.Stream.IsZero():
			err = f.stored(l)
		case path != "":
			err = f.local(l, path)
		default:
			missing = append(missing, l)
		}
		if err != nil {
			return err
		}
	}
	if err := f.download(ctx, missing); err != nil {
		return err
	}
	if f.Spool == nil {
		return f.finish()
	}
	return f.finishSpool(ctx, layers)
}

// stored writes the record of a layer that the repository has. A pull that was killed
// before it could do so may have left it in the spool.
func (f *Fetcher) stored(l Layer) error {
	if f.Spool != nil && !f.Keep {
		if err := f.Spool.Drop(f.descriptor(l)); err != nil {
			return fmt.Errorf("spool: %w", err)
		}
	}
	return f.Out.Write(l.Record())
}

// local writes the record of a layer that is a file where it is.
func (f *Fetcher) local(l Layer, path string) error {
	if err := fd.CheckRegular(path); err != nil {
		return fmt.Errorf("%s: %w", l.Name(), err)
	}
	l.Path = path
	return f.Out.Write(l.Record())
}

// download gets layers into the spool, several at once.
func (f *Fetcher) download(ctx context.Context, layers []Layer) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(f.Jobs)
	items := make([]*progress.Item, len(layers))
	for n, l := range layers {
		items[n] = f.Meter.Add(l.Kind(), l.Digest.String(), l.Size)
	}
	f.Meter.Start()
	defer f.Meter.Close()
	for n, l := range layers {
		group.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := f.get(ctx, l.Kind(), f.descriptor(l), &l.Blob, f.source.Open, items[n].Set); err != nil {
				return err
			}
			if err := f.Out.Write(l.Record()); err != nil {
				return err
			}
			items[n].Done("fetched")
			return nil
		})
	}
	return group.Wait()
}

// get gets a blob of some kind into the spool, and notes in b where it is.
func (f *Fetcher) get(ctx context.Context, kind string, d v1.Descriptor, b *Blob, open spool.OpenBlob, watch spool.Watch) error {
	path, err := f.Spool.Fetch(ctx, d, open, watch)
	if err != nil {
		return fmt.Errorf("%s %s: %w", kind, d.Digest, err)
	}
	b.Path, b.Spooled = path, !f.Keep && !f.Spool.Kept(d)
	return nil
}

// finish writes the records of config and manifest that are files where they are.
func (f *Fetcher) finish() (err error) {
	config, m := NewConfig(f.Manifest.Config), NewManifest(f.Descriptor, f.Name)
	if config.Path, err = f.source.Path(f.Manifest.Config); err != nil {
		return err
	}
	if err := f.Out.Write(config.Record()); err != nil {
		return err
	}
	if m.Path, err = f.source.Path(f.Descriptor); err != nil {
		return err
	}
	return f.Out.Write(m.Record())
}

// finishSpool puts config and manifest, which have been read by now, into the spool. If
// that stays, and has all of the image, it is a layout with the image then.
func (f *Fetcher) finishSpool(ctx context.Context, layers []Layer) error {
	config, m := NewConfig(f.Manifest.Config), NewManifest(f.Descriptor, f.Name)
	if err := f.get(ctx, kindConfig, f.Manifest.Config, &config.Blob, opens(f.ConfigJSON), nil); err != nil {
		return err
	}
	if err := f.Out.Write(config.Record()); err != nil {
		return err
	}
	if err := f.get(ctx, kindManifest, f.Descriptor, &m.Blob, opens(f.ManifestJSON), nil); err != nil {
		return err
	}
	missing := func(l Layer) bool { return !f.Spool.Whole(f.descriptor(l)) }
	if f.Keep && !slices.ContainsFunc(layers, missing) {
		name := strings.TrimPrefix(f.Name, "docker://")
		if err := f.Spool.Keep(ctx, f.Descriptor, name); err != nil {
			return fmt.Errorf("spool: %w", err)
		}
	}
	return f.Out.Write(m.Record())
}

// opens is the spool's way to what has been read.
func opens(text []byte) spool.OpenBlob {
	return func(_ context.Context, _ v1.Descriptor, offset int64) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(text[offset:])), nil
	}
}
