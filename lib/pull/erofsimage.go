package pull

import (
	"fmt"
	"strconv"

	"cfs/lib/record"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// ErofsImage is the record of an EROFS image.
type ErofsImage struct {
	ID      verity.ID
	Variant variant.Variant

	origin origin
}

// ParseErofsImage reads the record of an EROFS image.
func ParseErofsImage(rec record.Record) (i ErofsImage, err error) {
	if i.ID, err = verity.ParseID(rec.Digest); err != nil {
		return i, err
	}
	if i.Variant, err = parseVariant(rec); err != nil {
		return i, err
	}
	i.origin = origin{rec, i.keys()}
	return i, nil
}

func parseVariant(rec record.Record) (v variant.Variant, err error) {
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

// Record returns the record that says this.
func (i ErofsImage) Record() record.Record {
	return i.origin.record(kindImage, i.ID.String(), i.keys())
}

// keys leaves out the default mode.
func (i ErofsImage) keys() []record.Key {
	keys := []record.Key{
		{Name: keyVariant, Value: i.Variant.Name()}, {Name: keyFormat, Value: strconv.Itoa(int(i.Variant.Format))}, {Name: keyXattrs},
	}
	if i.Variant.Xattrs != variant.AllowlistOnly {
		keys[2].Value = i.Variant.Xattrs.String()
	}
	return keys
}
