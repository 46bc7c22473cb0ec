package main

import (
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"cfs/lib/blob"
	"cfs/lib/corrupt"
	"cfs/lib/oci"
	"cfs/lib/record"
	"cfs/lib/tool"
)

// source is an image in a layout, its manifest and config read.
type source struct {
	name         string // as it was typed
	layout       *blob.Layout
	desc         v1.Descriptor
	manifest     v1.Manifest
	text, config []byte
	keys         []digest.Digest // of the layers
}

// open reads manifest and config of the SOURCE operand.
func open(c *cli.Context) (*source, error) {
	s := &source{name: c.Args().First()}
	where, ok := strings.CutPrefix(s.name, "oci:")
	if !ok {
		return nil, tool.UsageError("source %q is not supported: want oci:DIR[:REF]", s.name)
	}
	p, err := platform(c)
	if err != nil {
		return nil, err
	}
	dir, ref := split(where)
	if s.layout, err = blob.OpenLayout(dir); err != nil {
		return nil, err
	}
	if s.desc, err = s.layout.Resolve(ref, p); err != nil {
		return nil, err
	}
	if s.text, err = s.layout.ReadAll(s.desc); err != nil {
		return nil, err
	}
	if s.manifest, err = blob.ParseManifest(s.text); err != nil {
		return nil, fmt.Errorf("manifest %s: %w", s.desc.Digest, err)
	}
	if s.config, err = s.layout.ReadAll(s.manifest.Config); err != nil {
		return nil, err
	}
	if s.keys, err = oci.LayerKeys(s.manifest, s.config); err != nil {
		return nil, fmt.Errorf("manifest %s: %w", s.desc.Digest, err)
	}
	return s, nil
}

// split cuts DIR:REF at the last colon, if no slash comes behind it.
func split(where string) (dir, ref string) {
	i := strings.LastIndexByte(where, ':')
	if i < 0 || strings.Contains(where[i:], "/") {
		return where, ""
	}
	// A digest has a colon of its own.
	if j := strings.LastIndex(where[:i], ":@"); j >= 0 {
		i = j
	}
	return where[:i], where[i+1:]
}

// blob finds the descriptor of a blob of the image.
func (s *source) blob(d string) (v1.Descriptor, error) {
	for _, b := range append([]v1.Descriptor{s.desc, s.manifest.Config}, s.manifest.Layers...) {
		if b.Digest.String() == d {
			return b, nil
		}
	}
	return v1.Descriptor{}, fmt.Errorf("%s has no blob %s: %w", s.name, d, fs.ErrNotExist)
}

// write writes the image's records. stored returns the stream of a layer, or of a tar
// alone, that the repository has, else "".
func (s *source) write(out *record.Writer, stored func(key digest.Digest, tar bool) string) error {
	container := blob.IsImageConfig(s.manifest.Config.MediaType)
	seen := make(map[digest.Digest]digest.Digest) // the key of each blob
	for i, d := range s.manifest.Layers {
		if key, ok := seen[d.Digest]; ok && key == s.keys[i] {
			continue
		} else if ok {
			return corrupt.Errorf("config %s: layer %s has two diff IDs, %s and %s", s.manifest.Config.Digest, d.Digest, key, s.keys[i])
		}
		seen[d.Digest] = s.keys[i]
		kind := "blob"
		var keys []record.Key
		if container {
			kind = "layer"
			keys = append(keys, record.Key{Name: "diff-id", Value: s.keys[i].String()})
		}
		r, err := s.record(kind, d, keys)
		if err != nil {
			return err
		}
		if stream := stored(s.keys[i], container); stream != "" {
			r = r.Without("path").Set("stream", stream)
		} else if _, err := os.Stat(r.Get("path")); err != nil {
			return fmt.Errorf("%s %s: %w", kind, d.Digest, err)
		}
		if err := out.Write(r); err != nil {
			return err
		}
	}
	config, err := s.record("config", s.manifest.Config, nil)
	if err != nil {
		return err
	}
	if err := out.Write(config); err != nil {
		return err
	}
	manifest, err := s.record("manifest", s.desc, nil)
	if err != nil {
		return err
	}
	return out.Write(manifest.Set("source", s.name))
}

// record describes a blob and where it lies.
func (s *source) record(kind string, d v1.Descriptor, keys []record.Key) (record.Record, error) {
	path, err := s.layout.Path(d.Digest)
	if err != nil {
		return record.Record{}, err
	}
	keys = append(keys, record.Key{Name: "media-type", Value: d.MediaType}, record.Key{Name: "size", Value: strconv.FormatInt(d.Size, 10)})
	if kind == "layer" || kind == "blob" {
		keys = append(keys, record.Key{Name: "for", Value: s.desc.Digest.String()})
	}
	return record.Record{Kind: kind, Digest: d.Digest.String(), Keys: append(keys, record.Key{Name: "path", Value: path})}, nil
}
