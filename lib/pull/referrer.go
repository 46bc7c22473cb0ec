package pull

import (
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/oci"
	"cfs/lib/record"
	"cfs/lib/repo"
)

// Referrer is the record of an artifact that belongs to an image, its subject. It comes before
// its blobs, and these before the manifest of the subject.
type Referrer struct {
	Blob
	Subject      digest.Digest // the manifest of the image
	ArtifactType string
	Source       string // where it came from, as that was typed; "" if unknown
}

// NewReferrer returns the artifact of a descriptor that belongs to a manifest, and of the
// source where it was found.
func NewReferrer(d v1.Descriptor, subject digest.Digest, source string) Referrer {
	r := Referrer{Blob: describe(d), Subject: subject, ArtifactType: d.ArtifactType, Source: source}
	said := r.keys()[:5]
	if source == "" {
		said = said[:4]
	}
	r.made(said...)
	return r
}

// ParseReferrer reads the record of an artifact, which must have a digest and a subject.
func ParseReferrer(rec record.Record) (Referrer, error) {
	b, err := parseNamed(rec)
	if err != nil {
		return Referrer{}, err
	}
	r := Referrer{Blob: b, ArtifactType: rec.Get(keyArtifact), Source: rec.Get(keySource)}
	if r.Subject, err = digest.Parse(rec.Get(keySubject)); err != nil {
		return r, fmt.Errorf("subject %q: %w", rec.Get(keySubject), err)
	}
	r.origin = origin{rec, r.keys()}
	return r, nil
}

// Record returns the record that says this.
func (r Referrer) Record() record.Record {
	return r.origin.record(kindReferrer, r.Digest.String(), r.keys())
}

func (r Referrer) keys() []record.Key {
	return slices.Concat([]record.Key{
		{Name: keySubject, Value: r.Subject.String()}, {Name: keyArtifact, Value: r.ArtifactType},
		{Name: keyMediaType, Value: r.MediaType}, {Name: keySize, Value: r.size()}, {Name: keySource, Value: r.Source},
	}, r.place())
}

// StoredReferrer returns the artifact of a manifest in the repository, which has a subject.
func StoredReferrer(m *oci.Manifest) Referrer {
	r := NewReferrer(v1.Descriptor{MediaType: m.MediaType, Digest: m.Digest, Size: int64(len(m.JSON)), ArtifactType: m.ArtifactType}, m.Subject.Digest, "")
	r.Stream = m.ID
	return r
}

// StoredReferrers returns the records of the artifacts that belong to an image, each before those of
// its blobs, a blob of several once. One that is gone has no record.
func StoredReferrers(r *repo.Repo, image *oci.Image) (list []record.Record, err error) {
	artifacts, _, err := oci.OpenReferrers(r, image.Manifest.Digest)
	if err != nil {
		return nil, err
	}
	said := make(map[digest.Digest]bool)
	for _, m := range artifacts {
		if m.Subject == nil {
			continue
		}
		list = append(list, StoredReferrer(m).Record())
		for _, l := range m.Layers {
			if b := NewReferrerBlob(l, m.Digest); !said[l.Digest] {
				said[l.Digest] = true
				b.Stream = m.Streams[oci.Key(l.Digest)]
				list = append(list, b.Record())
			}
		}
	}
	return list, nil
}
