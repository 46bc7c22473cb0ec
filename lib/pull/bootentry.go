package pull

import (
	"cfs/lib/record"
	"cfs/lib/verity"
)

// BootEntry is the record of a boot entry that names an EROFS image.
type BootEntry struct {
	Image          verity.ID
	Name, Manifest string // of the container image, empty if not known
	ID, Kind       string
	Entry          string // its file, below the boot directory
	Counter        string // of boot counting
	Booted         bool
	Problem        string
}

// Record returns the record that says this.
func (b BootEntry) Record() record.Record {
	booted := ""
	if b.Booted {
		booted = "1"
	}
	return origin{}.record(kindBoot, b.Image.String(), []record.Key{
		{Name: keyName, Value: b.Name}, {Name: keyManifest, Value: b.Manifest}, {Name: keyID, Value: b.ID}, {Name: keyKind, Value: b.Kind},
		{Name: keyEntry, Value: b.Entry}, {Name: keyCounter, Value: b.Counter}, {Name: keyBooted, Value: booted}, {Name: keyProblem, Value: b.Problem},
	})
}
