package pull

import (
	"fmt"

	"github.com/opencontainers/go-digest"

	"cfs/lib/record"
)

// Tag is the record of a name that leads to a manifest.
type Tag struct {
	Manifest digest.Digest
	Name     string

	origin origin
}

// ParseTag reads the record of a tag.
func ParseTag(rec record.Record) (Tag, error) {
	d, err := digest.Parse(rec.Digest)
	if err != nil {
		return Tag{}, fmt.Errorf("no OCI digest: %w", err)
	}
	t := Tag{Manifest: d, Name: rec.Get(keyName)}
	t.origin = origin{rec, t.keys()}
	return t, nil
}

// Record returns the record that says this.
func (t Tag) Record() record.Record {
	return t.origin.record(kindTag, t.Manifest.String(), t.keys())
}

func (t Tag) keys() []record.Key { return []record.Key{{Name: keyName, Value: t.Name}} }
