package pull

import (
	"fmt"

	"cfs/lib/oci"
	"cfs/lib/record"
	"cfs/lib/repo"
)

// Examiner looks at an image when its manifest comes, with the EROFS images that the records
// before name, whatever the repository has linked. It links nothing, and passes the records on.
type Examiner struct {
	Open func() (*repo.Repo, error) // at the first record
	Out  *record.Writer

	Replaces bool // the image becomes another one, to which its artifacts do not belong: they are not passed on

	// Examine is given the image as it would be linked, with the artifacts that come with it. It
	// returns what is written in the place of the manifest's record, which it is given too.
	Examine func(*repo.Repo, *oci.Link, []*oci.Link, record.Record) ([]record.Record, error)

	repo     *repo.Repo
	image    Incoming
	examined bool
}

// Handle takes in a record.
func (e *Examiner) Handle(rec record.Record) (err error) {
	if e.repo == nil {
		if e.repo, err = e.Open(); err != nil {
			return err
		}
	}
	written := []record.Record{rec}
	switch rec.Kind {
	case kindManifest:
		if written, err = e.examine(rec); err != nil {
			return err
		}
		e.image, e.examined = Incoming{}, true
	case kindTag, kindPartial: // are no part of the image
	default:
		if err := e.image.Add(rec); err != nil {
			return err
		}
	}
	if e.Replaces && (rec.Kind == kindReferrer || rec.Kind == kindBlob && rec.Get(keyRole) == kindReferrer) {
		return nil
	}
	for _, r := range written {
		if err := e.Out.Write(r); err != nil {
			return err
		}
	}
	return nil
}

func (e *Examiner) examine(rec record.Record) ([]record.Record, error) {
	m, err := ParseManifest(rec)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", rec.Digest, err)
	}
	link, err := e.image.Link(e.repo, m)
	if err != nil {
		return nil, err
	}
	artifacts, err := e.image.LinkReferrers(e.repo, m)
	if err != nil {
		return nil, err
	}
	return e.Examine(e.repo, link, artifacts, rec)
}

// Finish ends the input. The error is ErrNoManifest if no manifest came.
func (e *Examiner) Finish() error {
	if !e.examined {
		return ErrNoManifest
	}
	return nil
}

// Close closes the repository.
func (e *Examiner) Close() error {
	if e.repo == nil {
		return nil
	}
	return e.repo.Close()
}
