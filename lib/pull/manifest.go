package pull

import (
	"slices"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/record"
)

// Manifest is the record of an image's manifest. It is the last one of an image: the
// commit.
type Manifest struct {
	Blob
	Source string // where the image came from, as it was typed; "" if unknown
}

// NewManifest returns the manifest of a descriptor, and of the source where that was
// found.
func NewManifest(d v1.Descriptor, source string) Manifest {
	m := Manifest{Blob: describe(d), Source: source}
	m.made(m.keys()[:3]...)
	if source == "" {
		m.made(m.keys()[:2]...)
	}
	return m
}

// ParseManifest reads the record of a manifest, which must have a digest.
func ParseManifest(rec record.Record) (Manifest, error) {
	b, err := parseNamed(rec)
	m := Manifest{Blob: b, Source: rec.Get(keySource)}
	m.origin = origin{rec, m.keys()}
	return m, err
}

// Record returns the record that says this.
func (m Manifest) Record() record.Record {
	return m.origin.record(kindManifest, m.Digest.String(), m.keys())
}

func (m Manifest) keys() []record.Key {
	return slices.Concat([]record.Key{
		{Name: keyMediaType, Value: m.MediaType}, {Name: keySize, Value: m.size()}, {Name: keySource, Value: m.Source},
	}, m.place())
}
