// Package pull is an image on its way through the pipe: it gathers what records say
// of one, up to the manifest, and turns an image of the repository back into records.
package pull

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/opencontainers/go-digest"

	"cfs/lib/blob"
	"cfs/lib/corrupt"
	"cfs/lib/oci"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/temporary"
	"cfs/lib/verity"
)

// Image is the records of an image so far.
type Image struct {
	Layers []record.Record // and blobs, in the order in which they came
	Config record.Record
	Images []record.Record // EROFS images
	Others []record.Record // what nobody here knows
}

// Add takes in a record that is not the manifest.
func (i *Image) Add(rec record.Record) {
	switch rec.Kind {
	case "layer", "blob":
		i.Layers = append(i.Layers, rec)
	case "config":
		i.Config = rec
	case "image":
		i.Images = append(i.Images, rec)
	default:
		i.Others = append(i.Others, rec)
	}
}

// Link reads manifest and config, and takes in what the records claim to be stored.
// The error is temporary if something that was stored is gone.
func (i *Image) Link(r *repo.Repo, manifest record.Record) (*oci.Link, error) {
	if i.Config.Kind == "" {
		return nil, fmt.Errorf("manifest %s: no record of its config came before", manifest.Digest)
	}
	text, err := i.manifestJSON(r, manifest)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", manifest.Digest, err)
	}
	config, err := i.configJSON(r)
	if err != nil {
		return nil, fmt.Errorf("config %s: %w", i.Config.Digest, err)
	}
	l, err := oci.NewLink(digest.Digest(manifest.Digest), text, config)
	if err != nil {
		return nil, err
	}
	if l.Manifest.Config.Digest.String() != i.Config.Digest {
		return nil, corrupt.Errorf("manifest %s has the config %s, but the record before it is of %s", manifest.Digest, l.Manifest.Config.Digest, i.Config.Digest)
	}
	for _, rec := range i.Layers {
		id, err := verity.ParseID(rec.Get("stream"))
		if err != nil {
			return nil, fmt.Errorf("%s %s: stream=: %w", rec.Kind, rec.Digest, err)
		}
		l.Streams[Key(rec)] = id
	}
	return l, i.addImages(l)
}

// addImages takes in the EROFS images, of which each must have a place of its own.
func (i *Image) addImages(l *oci.Link) error {
	places := make(map[string]verity.ID)
	for _, rec := range i.Images {
		id, err := verity.ParseID(rec.Digest)
		if err != nil {
			return fmt.Errorf("image: %w", err)
		}
		v, err := Variant(rec)
		if err != nil {
			return fmt.Errorf("image %s: %w", id, err)
		}
		if other, ok := places[v.Key()]; ok && other != id {
			return fmt.Errorf("image %s: image %s has its place, %s, too", id, other, v.Key())
		}
		places[v.Key()], l.Images[v] = id, id
	}
	return nil
}

// Key returns what a layer's stream is named by.
func Key(rec record.Record) digest.Digest {
	if rec.Kind == "layer" {
		return digest.Digest(rec.Get("diff-id"))
	}
	return digest.Digest(rec.Digest)
}

func (i *Image) manifestJSON(r *repo.Repo, rec record.Record) ([]byte, error) {
	if rec.Get("stream") == "" {
		text, err := readFile(rec)
		if !temporary.Is(err) {
			return text, err
		}
		// Another pull of the same image may have linked it, and removed the file.
		if m, linked := oci.OpenManifest(r, digest.Digest(rec.Digest)); linked == nil {
			return m.JSON, nil
		}
		return nil, err
	}
	m, err := oci.OpenManifest(r, digest.Digest(rec.Digest))
	if errors.Is(err, fs.ErrNotExist) && !corrupt.Is(err) {
		return nil, temporary.Errorf("its stream is gone")
	}
	if err != nil {
		return nil, err
	}
	return m.JSON, nil
}

func (i *Image) configJSON(r *repo.Repo) ([]byte, error) {
	if i.Config.Get("stream") == "" {
		text, err := readFile(i.Config)
		if !temporary.Is(err) {
			return text, err
		}
		if c, linked := oci.OpenNamedConfig(r, digest.Digest(i.Config.Digest)); linked == nil {
			return c.JSON, nil
		}
		return nil, err
	}
	id, err := verity.ParseID(i.Config.Get("stream"))
	if err != nil {
		return nil, fmt.Errorf("stream=: %w", err)
	}
	c, err := oci.OpenConfig(r, id, digest.Digest(i.Config.Digest))
	if errors.Is(err, fs.ErrNotExist) && !corrupt.Is(err) {
		return nil, temporary.Errorf("its stream is gone")
	}
	if err != nil {
		return nil, err
	}
	return c.JSON, nil
}

// readFile reads the file that a record names. What it is the caller verifies.
func readFile(rec record.Record) ([]byte, error) {
	f, err := os.Open(rec.Get("path"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, temporary.Errorf("%q is gone", rec.Get("path"))
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return blob.ReadAll(f, digest.Digest(rec.Digest), -1)
}
