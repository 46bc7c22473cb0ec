package pull

import (
	"errors"
	"io/fs"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
	"cfs/lib/oci"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/variant"
)

// Records returns what holds of an image in the repository: layers, config, EROFS
// images, manifest. Records of the same things in known keep the keys that only
// they have.
func Records(r *repo.Repo, image *oci.Image, known []record.Record) ([]record.Record, error) {
	list := layersOf(image)
	config := NewConfig(image.Manifest.Manifest.Config)
	config.Stream = image.Config.ID
	list = append(list, config.Record())
	images, err := imagesOf(r, image.Config)
	if err != nil {
		return nil, err
	}
	list = append(append(list, images...), manifestOf(image.Manifest).Record())
	for i, rec := range list {
		list[i] = keep(rec, known)
	}
	return list, nil
}

// layersOf returns the records of the layers, each once.
func layersOf(image *oci.Image) (list []record.Record) {
	m := image.Manifest
	seen := make(map[digest.Digest]bool)
	for i, d := range m.Manifest.Layers {
		if seen[d.Digest] {
			continue
		}
		seen[d.Digest] = true
		var diffID digest.Digest
		if m.IsContainer() {
			diffID = digest.Digest(image.Keys[i])
		}
		l := NewLayer(d, diffID, m.Digest)
		l.Stream = image.Stream(image.Keys[i])
		list = append(list, l.Record())
	}
	return list
}

// imagesOf returns the records of the EROFS images that are there.
func imagesOf(r *repo.Repo, c *oci.Config) (list []record.Record, err error) {
	for _, key := range c.ImageKeys() {
		v, ok := variant.ParseKey(key)
		if !ok {
			continue // of a later writer
		}
		id := c.Images[key]
		v.Format, err = oci.EROFSFormat(r, id)
		if errors.Is(err, fs.ErrNotExist) && !corrupt.Is(err) {
			continue // lost: a pull makes it again
		}
		if err != nil {
			return nil, err
		}
		list = append(list, ErofsImage{ID: id, Variant: v}.Record())
	}
	return list, nil
}

func manifestOf(stored *oci.Manifest) Manifest {
	d := v1.Descriptor{MediaType: stored.MediaType, Digest: stored.Digest, Size: int64(len(stored.JSON))}
	if d.MediaType == "" {
		d.MediaType = v1.MediaTypeImageManifest
	}
	m := NewManifest(d, "")
	m.Stream = stored.ID
	return m
}

// keep adds to a record the keys that only a known one of the same thing has, but
// for where a blob was.
func keep(rec record.Record, known []record.Record) record.Record {
	for _, k := range known {
		if k.Kind != rec.Kind || k.Digest != rec.Digest || !samePlace(k, rec) {
			continue
		}
		for _, key := range k.Keys {
			if rec.Get(key.Name) == "" && key.Name != keyPath && key.Name != keySpooled {
				rec = rec.Set(key.Name, key.Value)
			}
		}
	}
	return rec
}

// samePlace reports whether records of the same image are also about the same variant:
// one image can be several of them.
func samePlace(a, b record.Record) bool {
	if a.Kind != kindImage {
		return true
	}
	for _, key := range []string{keyVariant, keyFormat, keyXattrs} {
		if a.Get(key) != b.Get(key) {
			return false
		}
	}
	return true
}
