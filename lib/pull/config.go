package pull

import (
	"slices"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
	"cfs/lib/record"
)

// Config is the record of an image's config.
type Config struct{ Blob }

// NewConfig returns the config of a descriptor in a manifest.
func NewConfig(d v1.Descriptor) Config {
	c := Config{describe(d)}
	c.made(c.keys()[:2]...)
	return c
}

// ParseConfig reads the record of a config, which must have a digest.
func ParseConfig(rec record.Record) (Config, error) {
	b, err := parseNamed(rec)
	c := Config{b}
	c.origin = origin{rec, c.keys()}
	return c, err
}

// parseNamed is parseBlob for one that is known by its digest.
func parseNamed(rec record.Record) (Blob, error) {
	b, err := parseBlob(rec)
	if err == nil && b.Digest == "" {
		err = corrupt.Errorf("digest %q names no blob", rec.Digest)
	}
	return b, err
}

// Record returns the record that says this.
func (c Config) Record() record.Record {
	return c.origin.record(kindConfig, c.Digest.String(), c.keys())
}

func (c Config) keys() []record.Key {
	return slices.Concat([]record.Key{{Name: keyMediaType, Value: c.MediaType}, {Name: keySize, Value: c.size()}}, c.place())
}
