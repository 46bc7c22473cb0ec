package pull

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"cfs/lib/corrupt"
	"cfs/lib/fd"
	"cfs/lib/incremental"
	"cfs/lib/progress"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/source"
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

	// Parts puts layers together of which only parts have to be fetched; nil if all are fetched whole. It
	// needs a Spool in which blobs do not stay.
	Parts *incremental.Assembler
}

// FindStored notes in layers the streams of those that the repository has. They are
// claims: a stream that is used later is looked up again. One that is damaged it does not
// have; an error says that this could not be found out.
func FindStored(r *repo.Repo, layers []Layer) error {
	for i := range layers {
		l := &layers[i]
		id, err := l.stored(r)
		switch {
		case err == nil:
			l.Stream = id
		case !corrupt.OrMissing(err):
			return fmt.Errorf("layer %s: %w", l.Key(), err)
		}
	}
	return nil
}

// Run writes the record of each blob as soon as it is there, the manifest's last. Before the
// record of a layer that comes over a network there is one that says where its bytes appear.
// layers are those of the origin, and blobs those of the artifacts that belong to it, which come with
// their artifacts between config and manifest; one that has a stream is not fetched. An error of a source or of
// the spool is as theirs are; what was fetched until then stays in the spool.
func (f *Fetcher) Run(ctx context.Context, layers, blobs []Layer) error {
	if err := f.fetch(ctx, layers, f.download); err != nil {
		return err
	}
	config := NewConfig(f.Manifest.Config)
	if err := f.document(ctx, kindConfig, f.Manifest.Config, &config.Blob, f.ConfigJSON); err != nil {
		return err
	}
	if err := f.Out.Write(config.Record()); err != nil {
		return err
	}
	if err := f.referrers(ctx, blobs); err != nil {
		return err
	}
	m := NewManifest(f.Descriptor, f.Name)
	if err := f.document(ctx, kindManifest, f.Descriptor, &m.Blob, f.ManifestJSON); err != nil {
		return err
	}
	if f.Spool != nil && f.Keep {
		if err := f.keep(ctx, append(layers, blobs...)); err != nil {
			return fmt.Errorf("spool: %w", err)
		}
	}
	return f.Out.Write(m.Record())
}

// fetch writes the records of layers, or of blobs, in any order. download gets those that are
// missing.
func (f *Fetcher) fetch(ctx context.Context, layers []Layer, download func(context.Context, []Layer) error) error {
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
	return download(ctx, missing)
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
	if s, ok := f.source.(*repository); ok {
		l.Form, l.Dirs = FormSplitstream, s.objects()
	}
	return f.Out.Write(l.Record())
}

// download gets layers into the spool, several at once.
func (f *Fetcher) download(ctx context.Context, layers []Layer) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(f.Jobs)
	items := make([]*progress.Item, len(layers))
	for n, l := range layers {
		items[n] = f.Meter.Add(l.Kind(), l.Digest.String(), l.Size, f.Spool.Have(f.descriptor(l)))
	}
	f.Meter.Start()
	defer f.Meter.Close()
	for n, l := range layers {
		group.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if done, err := f.parts(ctx, l, items[n]); done || err != nil {
				return err
			}
			if err := f.layer(ctx, l, items[n].Set); err != nil {
				return err
			}
			items[n].Done("fetched")
			return nil
		})
	}
	return group.Wait()
}

// downloadSmall is download for blobs that are not worth to be measured.
func (f *Fetcher) downloadSmall(ctx context.Context, blobs []Layer) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(f.Jobs)
	for _, l := range blobs {
		group.Go(func() error {
			if err := f.get(ctx, l.Kind(), f.descriptor(l), &l.Blob, f.source.Open, nil); err != nil {
				return err
			}
			return f.Out.Write(l.Record())
		})
	}
	return group.Wait()
}

// layer gets a layer into the spool. If it comes over a network, a record says that its file
// grows as soon as that is there: who imports it need not wait for its last byte.
func (f *Fetcher) layer(ctx context.Context, l Layer, watch spool.Watch) error {
	announced := l.Artifact || !source.IsRemote(f.source)
	var failed error
	begin := func(have int64) {
		watch(have)
		if !announced && have < l.Size {
			failed = f.announce(l)
		}
		announced = true
	}
	if err := f.get(ctx, l.Kind(), f.descriptor(l), &l.Blob, f.source.Open, begin); err != nil {
		return err
	}
	return errors.Join(failed, f.Out.Write(l.Record()))
}

func (f *Fetcher) announce(l Layer) error {
	path, err := f.Spool.PartialPath(f.descriptor(l))
	if err != nil {
		return err
	}
	return f.Out.Write(l.fetching(path))
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

// referrers writes the records of the artifacts that belong to the image, then of their blobs.
func (f *Fetcher) referrers(ctx context.Context, blobs []Layer) error {
	for _, a := range f.Referrers {
		r := NewReferrer(a.Descriptor, f.Descriptor.Digest, f.Name)
		if err := f.document(ctx, kindReferrer, a.Descriptor, &r.Blob, a.JSON); err != nil {
			return err
		}
		if err := f.Out.Write(r.Record()); err != nil {
			return err
		}
	}
	return f.fetch(ctx, blobs, f.downloadSmall)
}

// document notes in b where a document is that has been read by now: the file where it is, or
// one in the spool, into which it is put.
func (f *Fetcher) document(ctx context.Context, kind string, d v1.Descriptor, b *Blob, text []byte) (err error) {
	if f.Spool == nil {
		b.Path, err = f.source.Path(d)
		return err
	}
	return f.get(ctx, kind, d, b, opens(text), nil)
}

// keep lists the image in the spool, with the artifacts that belong to it, if all of it is there:
// then the spool is a layout with the image.
func (f *Fetcher) keep(ctx context.Context, layers []Layer) error {
	if slices.ContainsFunc(layers, func(l Layer) bool { return !f.Spool.Whole(f.descriptor(l)) }) {
		return nil
	}
	var artifacts []v1.Descriptor
	for _, a := range f.Referrers {
		artifacts = append(artifacts, a.Descriptor)
		empty := v1.DescriptorEmptyJSON // which needs no record, but is a part of the layout
		if err := f.get(ctx, kindConfig, empty, &Blob{}, opens(empty.Data), nil); err != nil {
			return err
		}
	}
	return f.Spool.Keep(ctx, f.Descriptor, strings.TrimPrefix(f.Name, "docker://"), artifacts...)
}

// opens is the spool's way to what has been read.
func opens(text []byte) spool.OpenBlob {
	return func(_ context.Context, _ v1.Descriptor, offset int64) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(text[offset:])), nil
	}
}
