package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/urfave/cli/v2"

	"cfs/lib/oci"
	"cfs/lib/pull"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/temporary"
	"cfs/lib/tool"
)

// linker is the last stage of the pipe.
type linker struct {
	c         *cli.Context
	repo      *repo.Repo // nil before the first record
	out       *record.Writer
	image     pull.Incoming
	committed bool            // a manifest has come
	partial   []record.Record // parts that could not be made
}

func filter(c *cli.Context) error {
	l := &linker{c: c, out: tool.Records(c)}
	defer func() {
		if l.repo != nil {
			l.repo.Close()
		}
	}()
	return tool.Filter(c, l.out, tool.Stage{Start: l.start, Handle: l.handle, Finish: l.finish})
}

// start refuses what is wrong before anything is done.
func (l *linker) start() error {
	if l.c.NArg() > 0 {
		return tool.UsageError("unexpected operand %q", l.c.Args().First())
	}
	if !l.c.IsSet("tag") {
		return nil
	}
	if l.c.Bool("no-tag") {
		return tool.UsageError("--tag and --no-tag exclude each other")
	}
	if err := oci.CheckTag(l.c.String("tag")); err != nil {
		return tool.UsageError("%w", err)
	}
	return nil
}

func (l *linker) handle(rec record.Record) error {
	if l.repo == nil {
		var err error
		if l.repo, err = tool.OpenToWrite(l.c); err != nil {
			return err
		}
	}
	switch rec.Kind {
	case "manifest":
		m, err := pull.ParseManifest(rec)
		if err != nil {
			return fmt.Errorf("manifest %s: %w", rec.Digest, err)
		}
		err = l.commit(m)
		if temporary.Is(err) {
			return tool.Again("%w", err)
		}
		l.image, l.committed = pull.Incoming{}, true
		return err
	case "partial":
		l.partial = append(l.partial, rec)
	case "tag":
		return nil // of an earlier link; this one writes its own
	}
	return l.image.Add(rec)
}

// finish ends with the status of what could not be made.
func (l *linker) finish() error {
	switch {
	case !l.committed:
		return tool.NoManifest()
	case len(l.partial) > 0:
		return tool.Partial(l.partial[0])
	}
	return nil
}

// commit links an image, tags it, and says what holds now.
func (l *linker) commit(manifest pull.Manifest) error {
	name, err := l.tagName(manifest)
	if err != nil {
		return err
	}
	image, err := l.link(manifest, name)
	if err != nil {
		return err
	}
	if err := oci.DropLeases(l.repo, image.Manifest.Digest); err != nil {
		return err
	}
	for _, b := range []pull.Blob{l.image.Config.Blob, manifest.Blob} {
		if err := dropSpooled(b); err != nil {
			return err
		}
	}
	return l.write(image, manifest, name)
}

// link does what must not overlap with another cfs-link.
func (l *linker) link(manifest pull.Manifest, name string) (*oci.Image, error) {
	release, err := l.repo.LockStreams(tool.Lock(l.c, true))
	if err != nil {
		return nil, err
	}
	defer release()
	link, err := l.image.Link(l.repo, manifest)
	if err != nil {
		return nil, err
	}
	image, err := link.Write(l.repo)
	if err != nil || name == "" {
		return image, err
	}
	return image, oci.SetTag(l.repo, name, image.Manifest.Digest)
}

// tagName returns how the image is to be tagged, "" for not at all.
func (l *linker) tagName(manifest pull.Manifest) (string, error) {
	if l.c.Bool("no-tag") {
		return "", nil
	}
	name := l.c.String("tag")
	if !l.c.IsSet("tag") {
		name = manifest.Source
	}
	if name == "" {
		return "", tool.UsageError("manifest %s: its record has no source=: want --tag NAME or --no-tag", manifest.Digest)
	}
	if err := oci.CheckTag(name); err != nil {
		return "", tool.UsageError("%w", err)
	}
	return name, nil
}

func dropSpooled(b pull.Blob) error {
	if !b.Spooled {
		return nil
	}
	err := os.Remove(b.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// write writes the records that now hold, the tag before the manifest.
func (l *linker) write(image *oci.Image, manifest pull.Manifest, name string) error {
	list, err := pull.Records(l.repo, image, append(l.image.Records(), manifest.Record()))
	if err != nil {
		return err
	}
	last := len(list) - 1
	list = slices.Concat(list[:last], l.image.Others, list[last:])
	if name != "" {
		t := pull.Tag{Manifest: image.Manifest.Digest, Name: name}
		list = slices.Insert(list, len(list)-1, t.Record())
	}
	for _, rec := range list {
		if err := l.out.Write(rec); err != nil {
			return err
		}
	}
	return nil
}
