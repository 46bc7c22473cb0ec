package pull

import (
	"errors"
	"fmt"
	"slices"

	"cfs/lib/build"
	"cfs/lib/corrupt"
	"cfs/lib/oci"
	"cfs/lib/progress"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/temporary"
	"cfs/lib/tolerance"
	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// Maker is the stage of the pipe that makes EROFS images. It stores the images of each
// container image whose manifest comes, and writes records of them before that manifest.
// Records of images that are made again are replaced; all others pass through.
type Maker struct {
	Open    func() (*repo.Repo, error) // called at the first record
	Out     *record.Writer
	Formats []variant.Format // of the images; if empty, those of the repository
	Rules   *tolerance.Rules // what is tolerated
	Boot    build.Wanted     // the boot images that are made too, if any

	Count  *progress.Counter                // of entries that are merged, may be nil
	Warn   func(format string, args ...any) // prints a line for people
	Status func(error) int                  // returns the exit status of an error

	repo      *repo.Repo // nil before the first record
	incoming  Incoming
	committed bool // a manifest has come
	partial   int  // the status of the first part that could not be made
}

// Close closes the repository.
func (m *Maker) Close() error {
	if m.repo == nil {
		return nil
	}
	return m.repo.Close()
}

// Handle takes in a record, and writes it as soon as it is known to hold.
func (m *Maker) Handle(rec record.Record) (err error) {
	if m.repo == nil {
		if m.repo, err = m.Open(); err != nil {
			return err
		}
	}
	switch rec.Kind {
	case kindImage:
		return m.incoming.Add(rec) // it may be replaced, and is written before the manifest
	case kindManifest:
		manifest, err := ParseManifest(rec)
		if err != nil {
			return fmt.Errorf("manifest %s: %w", rec.Digest, err)
		}
		if err := m.commit(manifest); err != nil {
			return err
		}
		m.incoming, m.committed = Incoming{}, true
	default:
		if err := m.incoming.Add(rec); err != nil {
			return err
		}
	}
	return m.Out.Write(rec)
}

// Finish ends the input. It returns the status of a part that could not be made, 0 if
// nothing is missing. The error is ErrNoManifest if no manifest came.
func (m *Maker) Finish() (partial int, err error) {
	if !m.committed {
		return 0, ErrNoManifest
	}
	return m.partial, nil
}

// commit makes the images of a container image, leases them, and writes their records behind
// those that came and are not replaced.
func (m *Maker) commit(manifest Manifest) error {
	link, err := m.incoming.Link(m.repo, manifest)
	if err != nil {
		return err
	}
	link.Entry = m.Count.Add
	made, missing, err := m.make(link)
	if err != nil {
		return fmt.Errorf("manifest %s: %w", manifest.Digest, err)
	}
	var records []record.Record
	for _, l := range m.incoming.Layers {
		// A stream that was cut by other rules was cut anew.
		if id := link.Streams[l.Key()]; id != l.Stream {
			l.Stream = id
			records = append(records, l.Record())
		}
	}
	for _, old := range m.incoming.Images {
		if !slices.ContainsFunc(made, func(i ErofsImage) bool { return i.Variant.Key() == old.Variant.Key() }) {
			records = append(records, old.Record())
		}
	}
	for _, image := range made {
		if err := oci.LeaseImage(m.repo, manifest.Digest, image.ID); err != nil {
			return err
		}
		records = append(records, image.Record())
	}
	if missing != nil {
		records = append(records, missing.Record())
	}
	for _, rec := range records {
		if err := m.Out.Write(rec); err != nil {
			return err
		}
	}
	return nil
}

// make returns the images of an image, of which an artifact has none, and what of them could
// not be made.
func (m *Maker) make(link *oci.Link) ([]ErofsImage, *Partial, error) {
	if made, err := m.remembered(link); made != nil || err != nil {
		return made, nil, err
	}
	// What is tolerated is remembered of this image, and told with that of the others.
	rules := m.Rules.Again()
	made, missing, err := m.makeAll(link, rules)
	m.Rules.Merge(rules)
	if err == nil {
		m.remember(link, made, rules)
	}
	return made, missing, err
}

// makeAll makes the images of an image.
func (m *Maker) makeAll(link *oci.Link, rules *tolerance.Rules) (made []ErofsImage, missing *Partial, err error) {
	var c *build.Container
	if link.IsContainer() {
		if c, err = build.Pulled(m.repo, link, rules); err != nil {
			return nil, nil, err
		}
		root, err := c.Tree(variant.AllowlistOnly)
		if err != nil {
			return nil, nil, err
		}
		if made, err = m.store(root, variant.Variant{}); err != nil {
			return nil, nil, err
		}
		c.Reuse(root)
	}
	if !m.Boot.Bootable {
		return made, nil, nil
	}
	boot, err := m.makeBoot(c, link)
	if err != nil {
		missing, err = m.miss(link, err)
	}
	return append(made, boot...), missing, err
}

// formats returns the formats of the images that are made.
func (m *Maker) formats() []variant.Format {
	if len(m.Formats) == 0 {
		return m.repo.Formats
	}
	return m.Formats
}

// store stores a tree as the images of a variant, one in each format.
func (m *Maker) store(root *tree.Inode, v variant.Variant) (made []ErofsImage, err error) {
	for _, v.Format = range m.formats() {
		id, err := oci.StoreImage(m.repo, root, v.Format)
		if err != nil {
			return nil, err
		}
		made = append(made, ErofsImage{ID: id, Variant: v})
	}
	return made, nil
}

// makeBoot stores the boot images of a container, which is nil for an artifact.
func (m *Maker) makeBoot(c *build.Container, link *oci.Link) ([]ErofsImage, error) {
	if c == nil {
		return nil, oci.ErrArtifact
	}
	if !m.Boot.Expected.IsZero() {
		return m.makeExpected(c, link)
	}
	root, err := c.Tree(m.Boot.Xattrs)
	if err == nil {
		err = c.Boot(root)
	}
	if err != nil {
		return nil, err
	}
	return m.store(root, variant.Variant{Boot: true, Xattrs: m.Boot.Xattrs})
}

// makeExpected stores the boot image that has the expected digest.
func (m *Maker) makeExpected(c *build.Container, link *oci.Link) ([]ErofsImage, error) {
	known, err := m.known(link)
	if err != nil {
		return nil, err
	}
	v, recipe, err := c.Search(m.Boot.Expected, known)
	if err != nil {
		return nil, err
	}
	if recipe != nil {
		_, err = oci.StoreImage(m.repo, recipe.Root, recipe.Format)
	} else {
		m.repo.FoundName(repo.Images)
		err = m.repo.SyncNames()
	}
	if err != nil {
		return nil, err
	}
	m.Warn("%s", build.Found(m.Boot.Expected, v))
	return []ErofsImage{{ID: m.Boot.Expected, Variant: v}}, nil
}

// known returns the EROFS images that the image has already: those of its records, and
// those that its config refers to.
func (m *Maker) known(link *oci.Link) (map[string]verity.ID, error) {
	images := map[string]verity.ID{}
	switch stored, err := oci.OpenImage(m.repo, link.Digest); {
	case err == nil:
		images = stored.Config.Images
	case !corrupt.OrMissing(err): // such an image has none to offer
		return nil, err
	}
	for v, id := range link.Images {
		images[v.Key()] = id
	}
	return images, nil
}

// miss prints why the boot images could not be made, and returns the record of it: that
// takes away nothing of the rest. What may be made by the next attempt, and what was asked
// for and makes no sense, is the error of the stage.
func (m *Maker) miss(link *oci.Link, err error) (*Partial, error) {
	if _, senseless := errors.AsType[*build.HashError](err); senseless || temporary.Is(err) {
		return nil, err
	}
	status := m.Status(err)
	m.Warn("%v; everything else is linked without it", fmt.Errorf("manifest %s: boot image: %w", link.Digest, err))
	if m.partial == 0 {
		m.partial = status
	}
	return &Partial{What: Boot, Status: status}, nil
}
