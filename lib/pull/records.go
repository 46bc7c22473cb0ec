package pull

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
	"cfs/lib/oci"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/variant"
)

// The keys of image records.
const (
	keyVariant = "variant"
	keyFormat  = "erofs-version"
	keyXattrs  = "xattrs"
)

// Variant reads which image a record is about.
func Variant(rec record.Record) (v variant.Variant, err error) {
	if v.Boot, err = variant.ParseName(rec.Get(keyVariant)); err != nil {
		return v, fmt.Errorf("variant=%w", err)
	}
	if v.Format, err = variant.ParseFormat(rec.Get(keyFormat)); err != nil {
		return v, fmt.Errorf("erofs-version=%w", err)
	}
	if s := rec.Get(keyXattrs); s != "" {
		if v.Xattrs, err = variant.ParseXattrMode(s); err != nil {
			return v, err
		}
	}
	return v, nil
}

// ImageRecord returns the record of an EROFS image.
func ImageRecord(v variant.Variant, id string) record.Record {
	rec := record.Record{Kind: "image", Digest: id}.Set(keyVariant, v.Name()).Set(keyFormat, strconv.Itoa(int(v.Format)))
	if v.Xattrs != variant.AllowlistOnly {
		rec = rec.Set(keyXattrs, v.Xattrs.String())
	}
	return rec
}

// Records returns what holds of an image in the repository: layers, config, EROFS
// images, manifest. Records of the same things in known keep the keys that only
// they have.
func Records(r *repo.Repo, image *oci.Image, known []record.Record) ([]record.Record, error) {
	m := image.Manifest
	kind := "blob"
	if m.IsContainer() {
		kind = "layer"
	}
	var list []record.Record
	seen := make(map[digest.Digest]bool)
	for i, d := range m.Manifest.Layers {
		if seen[d.Digest] {
			continue
		}
		seen[d.Digest] = true
		rec := record.Record{Kind: kind, Digest: d.Digest.String()}
		if kind == "layer" {
			rec = rec.Set("diff-id", image.Keys[i].String())
		}
		rec = rec.Set("media-type", d.MediaType).Set("size", strconv.FormatInt(d.Size, 10)).Set("for", m.Digest.String())
		list = append(list, rec.Set("stream", image.Stream(image.Keys[i]).String()))
	}
	c := m.Manifest.Config
	list = append(list, described("config", c.Digest, c.MediaType, c.Size, image.Config.ID.String()))
	for _, key := range image.Config.ImageKeys() {
		v, ok := variant.ParseKey(key)
		if !ok {
			continue // of a later writer
		}
		id := image.Config.Images[key]
		format, err := oci.EROFSFormat(r, id)
		if errors.Is(err, fs.ErrNotExist) && !corrupt.Is(err) {
			continue // lost: a pull makes it again
		}
		if err != nil {
			return nil, err
		}
		v.Format = format
		list = append(list, ImageRecord(v, id.String()))
	}
	mediaType := m.Manifest.MediaType
	if mediaType == "" {
		mediaType = v1.MediaTypeImageManifest
	}
	list = append(list, described("manifest", m.Digest, mediaType, int64(len(m.JSON)), m.ID.String()))
	for i, rec := range list {
		list[i] = keep(rec, known)
	}
	return list, nil
}

func described(kind string, d digest.Digest, mediaType string, size int64, stream string) record.Record {
	rec := record.Record{Kind: kind, Digest: d.String()}
	return rec.Set("media-type", mediaType).Set("size", strconv.FormatInt(size, 10)).Set("stream", stream)
}

// keep adds to a record the keys that only a known one of the same thing has, but
// for where a blob was.
func keep(rec record.Record, known []record.Record) record.Record {
	for _, k := range known {
		if k.Kind != rec.Kind || k.Digest != rec.Digest || !samePlace(k, rec) {
			continue
		}
		for _, key := range k.Keys {
			if rec.Get(key.Name) == "" && key.Name != "path" && key.Name != "spooled" {
				rec = rec.Set(key.Name, key.Value)
			}
		}
	}
	return rec
}

// samePlace reports whether records of the same image are also about the same variant:
// one image can be several of them.
func samePlace(a, b record.Record) bool {
	if a.Kind != "image" {
		return true
	}
	for _, key := range []string{keyVariant, keyFormat, keyXattrs} {
		if a.Get(key) != b.Get(key) {
			return false
		}
	}
	return true
}
