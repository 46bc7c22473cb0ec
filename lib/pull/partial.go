package pull

import (
	"strconv"

	"cfs/lib/record"
)

// Partial is the record of a part of an image that could not be made, while all the rest
// was.
type Partial struct {
	What   string // the part: Boot
	Status int    // what the pipe exits with in the end

	origin origin
}

// Boot is the part of an image that is its boot variant.
const Boot = "boot"

// ParsePartial reads the record of a part. A status that cannot be read is 1: that
// something is missing is known all the same.
func ParsePartial(rec record.Record) (Partial, error) {
	status, err := strconv.ParseUint(rec.Get(keyStatus), 10, 8)
	if err != nil || status == 0 {
		status = 1
	}
	p := Partial{What: rec.Get(keyWhat), Status: int(status)}
	p.origin = origin{rec, p.keys()}
	return p, nil
}

// Record returns the record that says this.
func (p Partial) Record() record.Record {
	return p.origin.record(kindPartial, p.origin.was.Digest, p.keys())
}

func (p Partial) keys() []record.Key {
	return []record.Key{{Name: keyWhat, Value: p.What}, {Name: keyStatus, Value: strconv.Itoa(p.Status)}}
}
