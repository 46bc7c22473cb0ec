package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/manifest"
	"cfs/lib/oci"
	"cfs/lib/pull"
	"cfs/lib/record"
	"cfs/lib/registry"
	"cfs/lib/source"
	"cfs/lib/temporary"
	"cfs/lib/tool"
)

// image is an image at its source, with manifest and config read.
type image struct {
	source.Source
	name         string // as it was typed
	desc         v1.Descriptor
	manifest     v1.Manifest
	text, config []byte
	keys         []oci.Key // of the layers
}

// open reads manifest and config of the SOURCE operand. Close must be called in the end.
func open(c *cli.Context, retrying func(error, time.Duration)) (*image, error) {
	p, err := platform(c)
	if err != nil {
		return nil, err
	}
	s, err := openSource(c, retrying)
	if err != nil {
		return nil, explain(err)
	}
	i := &image{Source: s, name: c.Args().First()}
	if err := i.read(c.Context, p); err != nil {
		return nil, errors.Join(explain(err), s.Close())
	}
	return i, nil
}

func (i *image) read(ctx context.Context, p *v1.Platform) (err error) {
	if i.desc, err = i.Manifest(ctx, p); err != nil {
		return err
	}
	if i.text, err = source.ReadAll(ctx, i, i.desc); err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	if i.manifest, err = manifest.Parse(i.text); err != nil {
		return fmt.Errorf("manifest %s: %w", i.desc.Digest, err)
	}
	if i.config, err = source.ReadAll(ctx, i, i.manifest.Config); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	if i.keys, err = oci.LayerKeys(i.manifest, i.config); err != nil {
		return fmt.Errorf("manifest %s: %w", i.desc.Digest, err)
	}
	return nil
}

// explain gives an error of a source the exit status and the hint that it needs.
func explain(err error) error {
	switch {
	case err == nil, corrupt.Is(err):
		return err
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return tool.Hint(err, "what there is of a blob stays in the spool: free some space and run the same command again, or name another --spool DIR")
	case temporary.Is(err):
		return tool.Again("%w", err)
	case errors.Is(err, registry.ErrLogin):
		return tool.Hint(err, "log in with podman login or skopeo login, or give --authfile FILE or --creds USER --password-stdin")
	}
	return err
}

// blob finds the descriptor of a blob of the image.
func (i *image) blob(d string) (v1.Descriptor, error) {
	for _, b := range append([]v1.Descriptor{i.desc, i.manifest.Config}, i.manifest.Layers...) {
		if b.Digest.String() == d {
			return b, nil
		}
	}
	return v1.Descriptor{}, fmt.Errorf("%s has no blob %s: %w", i.name, d, fs.ErrNotExist)
}

// part is one blob of the image, and the record of it.
type part struct {
	desc   v1.Descriptor
	key    oci.Key       // of a layer's stream
	rec    record.Record // without a place
	stream string        // where the repository has it
	text   []byte        // of config and manifest, which are read by then
}

// open is the spool's way to what has been read.
func (p *part) open(_ context.Context, _ v1.Descriptor, offset int64) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(p.text[offset:])), nil
}

// layers returns each distinct layer, or blob of an artifact.
func (i *image) layers() ([]*part, error) {
	container := manifest.IsImageConfig(i.manifest.Config.MediaType)
	seen := make(map[digest.Digest]oci.Key) // the key of each blob
	var parts []*part
	for n, d := range i.manifest.Layers {
		if key, ok := seen[d.Digest]; ok && key == i.keys[n] {
			continue
		} else if ok {
			return nil, corrupt.Errorf("config %s: layer %s has two diff IDs, %s and %s", i.manifest.Config.Digest, d.Digest, key, i.keys[n])
		}
		seen[d.Digest] = i.keys[n]
		var diffID digest.Digest
		if container {
			diffID = digest.Digest(i.keys[n])
		}
		parts = append(parts, &part{desc: d, key: i.keys[n], rec: pull.NewLayer(d, diffID, i.desc.Digest).Record()})
	}
	return parts, nil
}

// ends returns config and manifest.
func (i *image) ends() []*part {
	return []*part{
		{desc: i.manifest.Config, rec: pull.NewConfig(i.manifest.Config).Record(), text: i.config},
		{desc: i.desc, rec: pull.NewManifest(i.desc, i.name).Record(), text: i.text},
	}
}
