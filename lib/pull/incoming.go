package pull

import (
	"errors"
	"fmt"

	"cfs/lib/corrupt"
	"cfs/lib/oci"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/verity"
)

// ErrNoManifest is the error of a stage whose input ended before the manifest, which is the
// commit.
var ErrNoManifest = errors.New("input ended without a manifest: an earlier stage did not finish")

// Incoming is what the records of an image have said so far.
type Incoming struct {
	Layers []Layer // in the order in which they came
	Config *Config // nil before it came
	Images []ErofsImage
	// Artifacts that belong to the image, and their blobs.
	Referrers     []Referrer
	ReferrerBlobs []Layer

	Others []record.Record // of kinds that say nothing about what is stored
}

// Add takes in a record that is not the manifest. The error names the record.
func (i *Incoming) Add(rec record.Record) error {
	var err error
	switch rec.Kind {
	case kindLayer, kindBlob:
		list := &i.Layers
		if rec.Kind == kindBlob && rec.Get(keyRole) == kindReferrer {
			list = &i.ReferrerBlobs
		}
		*list, err = parsed(*list, rec, ParseLayer)
	case kindReferrer:
		i.Referrers, err = parsed(i.Referrers, rec, ParseReferrer)
	case kindConfig:
		var c Config
		c, err = ParseConfig(rec)
		i.Config = &c
	case kindImage:
		i.Images, err = parsed(i.Images, rec, ParseErofsImage)
	default:
		i.Others = append(i.Others, rec)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", rec.Kind, rec.Digest, err)
	}
	return nil
}

func parsed[T any](list []T, rec record.Record, parse func(record.Record) (T, error)) ([]T, error) {
	t, err := parse(rec)
	return append(list, t), err
}

// Link reads manifest and config, and takes in what the records claim to be stored.
// The error is temporary if something that was stored is gone.
func (i *Incoming) Link(r *repo.Repo, m Manifest) (*oci.Link, error) {
	if i.Config == nil {
		return nil, fmt.Errorf("manifest %s: no record of its config precedes it", m.Digest)
	}
	text, err := m.read(r)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", m.Digest, err)
	}
	config, err := i.Config.read(r)
	if err != nil {
		return nil, fmt.Errorf("config %s: %w", i.Config.Digest, err)
	}
	l, err := oci.NewLink(m.Digest, text, config)
	if err != nil {
		return nil, err
	}
	if l.Manifest.Config.Digest != i.Config.Digest {
		return nil, corrupt.Errorf("manifest %s has the config %s, but the preceding record is of %s", m.Digest, l.Manifest.Config.Digest, i.Config.Digest)
	}
	for _, layer := range i.Layers {
		if _, err := verity.ParseID(layer.Stream.String()); err != nil {
			return nil, fmt.Errorf("%s: stream=: %w", layer.Name(), err)
		}
		l.Streams[layer.Key()] = layer.Stream
	}
	return l, i.addImages(l)
}

// addImages takes in the EROFS images, of which each must have a place of its own.
func (i *Incoming) addImages(l *oci.Link) error {
	places := make(map[string]verity.ID)
	for _, image := range i.Images {
		place := image.Variant.Key()
		if other, ok := places[place]; ok && other != image.ID {
			return fmt.Errorf("image %s: image %s has the same place, %s", image.ID, other, place)
		}
		places[place], l.Images[image.Variant] = image.ID, image.ID
	}
	return nil
}

// Records returns what came, but for what says nothing about what is stored.
func (i *Incoming) Records() []record.Record {
	var list []record.Record
	for _, l := range i.Layers {
		list = append(list, l.Record())
	}
	if i.Config != nil {
		list = append(list, i.Config.Record())
	}
	for _, image := range i.Images {
		list = append(list, image.Record())
	}
	return list
}

// LinkReferrers reads the manifests of the artifacts that belong to the image m, and takes in
// what the records claim to be stored of their blobs.
func (i *Incoming) LinkReferrers(r *repo.Repo, m Manifest) ([]*oci.Link, error) {
	var links []*oci.Link
	for _, a := range i.Referrers {
		text, err := Manifest{Blob: a.Blob}.read(r)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", kindReferrer, a.Digest, err)
		}
		l, err := oci.NewReferrer(a.Digest, m.Digest, text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", kindReferrer, err)
		}
		for _, b := range i.ReferrerBlobs {
			if _, err := verity.ParseID(b.Stream.String()); err != nil {
				return nil, fmt.Errorf("%s: stream=: %w", b.Name(), err)
			}
			l.Streams[b.Key()] = b.Stream
		}
		if err := l.CheckLayers(r); err != nil {
			return nil, fmt.Errorf("%s %s: %w", kindReferrer, a.Digest, err)
		}
		links = append(links, l)
	}
	return links, nil
}

// referrerRecords returns the records of the artifacts, now that they are stored, each before
// those of its blobs. A blob of several has one record.
func (i *Incoming) referrerRecords(stored []*oci.Image) (list []record.Record) {
	blobs := make(map[oci.Key]record.Record)
	for _, b := range i.ReferrerBlobs {
		blobs[b.Key()] = b.Record()
	}
	for n, a := range i.Referrers {
		a.store(stored[n].Manifest.ID)
		list = append(list, a.Record())
		for _, key := range stored[n].Keys {
			if rec, ok := blobs[key]; ok {
				list = append(list, rec)
				delete(blobs, key)
			}
		}
	}
	return list
}
