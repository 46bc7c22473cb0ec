package pull

import (
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"

	"cfs/lib/corrupt"
	"cfs/lib/flock"
	"cfs/lib/oci"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/source"
)

// Linker is the last stage of the pipe: it links an image when its manifest comes, tags
// it, and writes what holds then.
type Linker struct {
	Open func() (*repo.Repo, error)     // at the first record
	Lock flock.Lock                     // how to wait for other linkers
	Name func(Manifest) (string, error) // how to tag an image, "" for not at all
	Out  *record.Writer

	// Check is asked before anything is written whether an image may be linked, with the
	// artifacts that come with it. It returns records to be written beside those of the
	// image. It may be nil.
	Check func(*repo.Repo, *oci.Link, []*oci.Link) ([]record.Record, error)

	// Linked is told of an image instead of Out. It may be nil.
	Linked func(Linked) error

	repo      *repo.Repo
	before    digest.Digest // what the tag led to
	image     Incoming
	committed bool // a manifest has come
	partial   int  // the status of the first part that could not be made
}

// Handle takes in a record, and links the image with its manifest. The error is temporary
// if something that was stored is gone.
func (l *Linker) Handle(rec record.Record) (err error) {
	if l.repo == nil {
		if l.repo, err = l.Open(); err != nil {
			return err
		}
	}
	switch rec.Kind {
	case kindTag:
		return nil // of an earlier link; this one writes its own
	case kindPartial:
		if p, err := ParsePartial(rec); err == nil && l.partial == 0 {
			l.partial = p.Status
		}
	case kindManifest:
		m, err := ParseManifest(rec)
		if err != nil {
			return fmt.Errorf("manifest %s: %w", rec.Digest, err)
		}
		err = l.commit(m)
		l.image, l.committed = Incoming{}, true
		return err
	}
	return l.image.Add(rec)
}

// Finish ends the input. It returns the status of a part that an earlier stage could not
// make, while all the rest is linked, 0 if nothing is missing. The error is ErrNoManifest
// if no manifest came.
func (l *Linker) Finish() (partial int, err error) {
	if !l.committed {
		return 0, ErrNoManifest
	}
	return l.partial, nil
}

// Close closes the repository.
func (l *Linker) Close() error {
	if l.repo == nil {
		return nil
	}
	return l.repo.Close()
}

// commit links an image, tags it, and says what holds now.
func (l *Linker) commit(m Manifest) error {
	name, err := l.Name(m)
	if err != nil {
		return err
	}
	image, referrers, err := l.link(m, name)
	if err != nil {
		return err
	}
	if err := oci.DropLeases(l.repo, image.Manifest.Digest); err != nil {
		return err
	}
	spooled := []Blob{l.image.Config.Blob, m.Blob}
	for _, a := range l.image.Referrers {
		spooled = append(spooled, a.Blob)
	}
	for _, b := range spooled {
		if err := b.removeSpooled(); err != nil {
			return err
		}
	}
	if l.Linked != nil {
		return l.Linked(l.summary(image, m, name))
	}
	return l.write(image, referrers, m, name)
}

// link does what must not overlap with another linker: it stores the image, the artifacts that
// belong to it, has them belong, and moves the tag.
func (l *Linker) link(m Manifest, name string) (*oci.Image, []*oci.Image, error) {
	release, err := l.repo.LockStreams(l.Lock)
	if err != nil {
		return nil, nil, err
	}
	defer release()
	link, err := l.image.Link(l.repo, m)
	if err != nil {
		return nil, nil, err
	}
	artifacts, err := l.image.LinkReferrers(l.repo, m)
	if err != nil {
		return nil, nil, err
	}
	if l.Check != nil {
		checked, err := l.Check(l.repo, link, artifacts)
		if err != nil {
			return nil, nil, err
		}
		l.image.Others = append(l.image.Others, checked...)
	}
	image, err := link.Write(l.repo)
	if err != nil {
		return nil, nil, err
	}
	referrers, err := l.refer(artifacts, image.Manifest.Digest)
	if err != nil {
		return nil, nil, err
	}
	if name == "" {
		return image, referrers, l.repo.SyncNames()
	}
	if err := l.remember(m, name); err != nil {
		return nil, nil, err
	}
	if l.before, err = oci.Tag(l.repo, name); err != nil && !corrupt.OrMissing(err) {
		return nil, nil, err
	}
	return image, referrers, oci.SetTag(l.repo, name, image.Manifest.Digest)
}

// remember writes where the image comes from, before the tag leads there. Records of what is
// stored have no source: what is remembered already stays.
func (l *Linker) remember(m Manifest, name string) error {
	if m.Source == "" {
		return nil
	}
	return oci.SetSource(l.repo, name, m.Digest, source.Absolute(m.Source))
}

// refer stores artifacts, and then has them belong to an image.
func (l *Linker) refer(artifacts []*oci.Link, subject digest.Digest) (stored []*oci.Image, err error) {
	for _, a := range artifacts {
		image, err := a.Write(l.repo)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", kindReferrer, a.Digest, err)
		}
		stored = append(stored, image)
	}
	if len(stored) > 0 {
		if err := l.repo.SyncNames(); err != nil {
			return nil, err
		}
	}
	for _, image := range stored {
		if err := oci.Refer(l.repo, subject, image.Manifest.Digest); err != nil {
			return nil, err
		}
	}
	return stored, nil
}

// write writes the records that now hold, the tag before the manifest.
func (l *Linker) write(image *oci.Image, referrers []*oci.Image, m Manifest, name string) error {
	list, err := Records(l.repo, image, append(l.image.Records(), m.Record()))
	if err != nil {
		return err
	}
	last := len(list) - 1
	others := append(l.image.referrerRecords(referrers), l.image.Others...)
	if name != "" {
		others = append(others, Tag{Manifest: image.Manifest.Digest, Name: name}.Record())
	}
	for _, rec := range slices.Concat(list[:last], others, list[last:]) {
		if err := l.Out.Write(rec); err != nil {
			return err
		}
	}
	return nil
}
