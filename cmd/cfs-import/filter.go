package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strconv"

	"github.com/opencontainers/go-digest"
	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"cfs/lib/corrupt"
	"cfs/lib/manifest"
	"cfs/lib/oci"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/tool"
)

// importer imports the layers of records, several at once.
type importer struct {
	c       *cli.Context
	repo    *repo.Repo
	out     *record.Writer
	running errgroup.Group
	commits *committer
}

// filter is the stage of the pipe.
func filter(c *cli.Context) error {
	i := &importer{c: c, out: tool.Records(c)}
	defer func() {
		if i.repo != nil {
			i.repo.Close()
		}
	}()
	return tool.Filter(c, i.out, tool.Stage{Start: i.start, Handle: i.handle, Finish: i.finish})
}

func (i *importer) start() error {
	jobs := i.c.Int("jobs")
	if jobs < 0 {
		return tool.UsageError("--jobs %d: want a positive number", jobs)
	}
	if jobs == 0 {
		jobs = runtime.NumCPU()
	}
	i.running.SetLimit(jobs)
	var err error
	if i.repo, err = open(i.c); err != nil {
		return err
	}
	i.commits = newCommitter(i.repo, i.out)
	return nil
}

// finish waits until all layers that were begun are stored, or one has failed.
func (i *importer) finish() error { return i.commits.wait() }

// handle begins to import a layer; anything else it passes on, after all layers
// that came before.
func (i *importer) handle(rec record.Record) error {
	if err := i.commits.err(); err != nil {
		return err
	}
	if rec.Kind != "layer" && rec.Kind != "blob" {
		if err := i.finish(); err != nil {
			return err
		}
		return i.out.Write(rec)
	}
	i.commits.begin()
	i.running.Go(func() error {
		done, err := i.do(rec)
		if err != nil {
			err = fmt.Errorf("%s %s: %w", rec.Kind, rec.Digest, err)
			i.commits.fail(err)
			return err
		}
		i.commits.add(done)
		return nil
	})
	return nil
}

// do stores what a record names, if it is not stored yet.
func (i *importer) do(rec record.Record) (stored, error) {
	src, err := source(rec)
	if err != nil {
		return stored{}, err
	}
	if err := i.checkType(rec); err != nil {
		return stored{}, err
	}
	key := keyOf(rec.Kind, src)
	if done, err := i.present(rec, key); err != nil || !done.stream.IsZero() {
		return done, err
	}
	f, err := os.Open(rec.Get("path"))
	if errors.Is(err, fs.ErrNotExist) {
		// Another pull may have stored it meanwhile, and removed it from the spool.
		if done, err := i.present(rec, key); err != nil || !done.stream.IsZero() {
			return done, err
		}
		return stored{}, tool.Again("%w", err)
	}
	if err != nil {
		return stored{}, err
	}
	defer f.Close()
	imported, err := i.importFile(rec, f, src)
	if err != nil {
		return stored{}, err
	}
	tool.Progress(i.c, event(rec.Kind, imported))
	return stored{rec: fillIn(rec, imported), key: keyOf(rec.Kind, imported.Source), stream: imported.Stream, fresh: true}, nil
}

// present returns what the repository has of a layer, with no stream if that is nothing.
func (i *importer) present(rec record.Record, key oci.Key) (stored, error) {
	if key == "" {
		return stored{}, nil
	}
	id, err := oci.Stored(i.repo, key, rec.Kind == "layer")
	switch {
	case err == nil:
		tool.Progress(i.c, tool.Event{Kind: rec.Kind, Digest: rec.Digest, Message: "present"})
		return stored{rec: rec, key: key, stream: id}, nil
	case !errors.Is(err, fs.ErrNotExist) && !corrupt.Is(err):
		return stored{}, err
	case rec.Get("stream") != "":
		return stored{}, tool.Again("stream %s of %s is gone from the repository", rec.Get("stream"), key)
	}
	return stored{}, nil
}

// checkType refuses what is no layer by its media type, whether it is stored or not:
// what a pull does must not depend on what came before.
func (i *importer) checkType(rec record.Record) error {
	mediaType := rec.Get("media-type")
	if rec.Kind == "blob" || mediaType == "" {
		return nil
	}
	if i.c.Bool("strict") && manifest.IsDocker(mediaType) {
		return fmt.Errorf("media type %q refused by --strict", mediaType)
	}
	if _, ok := manifest.LayerCompression(mediaType); !ok {
		return fmt.Errorf("media type %q is not one of a container's layer", mediaType)
	}
	return nil
}

func (i *importer) importFile(rec record.Record, f *os.File, src oci.Source) (oci.Imported, error) {
	if rec.Kind == "blob" {
		return oci.ImportBlob(i.c.Context, i.repo, f, src)
	}
	compression, ok := manifest.LayerCompression(rec.Get("media-type"))
	if !ok {
		return importSniffed(i.c.Context, i.repo, f, src)
	}
	return oci.ImportLayer(i.c.Context, i.repo, f, compression, src)
}

// source reads what a record says about its blob.
func source(rec record.Record) (oci.Source, error) {
	src := oci.Source{Size: -1, DiffID: digest.Digest(rec.Get("diff-id"))}
	if rec.Digest != record.None {
		src.Digest = digest.Digest(rec.Digest)
		if err := src.Digest.Validate(); err != nil {
			return src, fmt.Errorf("no OCI digest: %w", err)
		}
	}
	if src.DiffID != "" {
		if err := src.DiffID.Validate(); err != nil {
			return src, fmt.Errorf("diff-id %q: %w", src.DiffID, err)
		}
	}
	if s := rec.Get("size"); s != "" {
		size, err := strconv.ParseInt(s, 10, 64)
		if err != nil || size < 0 {
			return src, fmt.Errorf("size %q is no number of bytes", s)
		}
		src.Size = size
	}
	return src, nil
}

// keyOf returns what a blob's stream is named by, "" if that is not known yet.
func keyOf(kind string, src oci.Source) oci.Key {
	if kind == "blob" {
		return oci.Key(src.Digest)
	}
	return oci.Key(src.DiffID)
}

// fillIn adds to a record what was found out.
func fillIn(rec record.Record, done oci.Imported) record.Record {
	rec.Digest = done.Digest.String()
	if rec.Kind == "layer" {
		rec = rec.Set("diff-id", done.DiffID.String())
	}
	return rec.Set("size", strconv.FormatInt(done.Size, 10))
}

func event(kind string, done oci.Imported) tool.Event {
	return tool.Event{Kind: kind, Digest: done.Digest.String(), Message: fmt.Sprintf(
		"%d new and %d present objects; %d bytes stored, %d inline", done.New, done.Present, done.NewBytes, done.Inline)}
}
