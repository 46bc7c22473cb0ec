package survey

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"cfs/lib/corrupt"
	"cfs/lib/manifest"
	"cfs/lib/oci"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/signed"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// Tag is a tag, what it leads to, and what that costs.
type Tag struct {
	Version      int         `json:"v"` // of this form
	Name         record.Text `json:"name"`
	Manifest     string      `json:"manifest"`
	Container    bool        `json:"container"`
	OS           string      `json:"os"`
	Architecture string      `json:"architecture"`
	Layers       int         `json:"layers"`
	Image        string      `json:"image"` // EROFS, in the default format; "" if there is none
	Boot         string      `json:"boot"`
	Sealed       bool        `json:"sealed,omitempty"` // the digest of its EROFS image of format 1 is claimed somewhere
	Signed       int         `json:"signed,omitempty"` // signatures that there are, which nobody has verified
	Created      string      `json:"created"`          // as the config says, of RFC 3339; "" if it does not
	Source       record.Text `json:"source,omitempty"` // where it was pulled from, if that is known
	Size         *int64      `json:"size,omitempty"`   // of all objects that it keeps, in bytes; nil if that is not known
	Unique       *int64      `json:"unique,omitempty"` // of those that nothing else keeps
}

// DescribeTag returns what a tag leads to, without its size. An error says that not all of it
// could be read.
func DescribeTag(r *repo.Repo, tag oci.NamedManifest) (Tag, error) {
	image, err := oci.OpenImage(r, tag.Manifest)
	if err != nil {
		return Tag{}, err
	}
	t := Tag{Version: record.JSONVersion, Name: record.Text(tag.Tag), Manifest: tag.Manifest.String(), Container: image.Manifest.IsContainer(), Layers: len(image.Keys)}
	source, err := oci.SourceOf(r, tag)
	if t.Source = record.Text(source); err != nil || !t.Container {
		return t, err
	}
	config, _, err := manifest.ParseStoredConfig(image.Config.JSON)
	if err != nil {
		return t, err
	}
	t.OS, t.Architecture = config.Platform.OS, config.Platform.Architecture
	t.Created = manifest.ParseDetails(image.Config.JSON).Created
	erofs := func(boot bool) (string, error) {
		return namedImage(r, image.Config.Images[variant.Variant{Boot: boot, Format: r.Formats[0]}.Key()])
	}
	if t.Image, err = erofs(false); err == nil {
		t.Boot, err = erofs(true)
	}
	if err == nil {
		err = t.addSignatures(r, image)
	}
	return t, err
}

// addSignatures tells what is claimed of the image, and looks at no signature.
func (t *Tag) addSignatures(r *repo.Repo, image *oci.Image) error {
	stored, err := signed.Stored(r, image)
	if errors.Is(err, fs.ErrNotExist) && !corrupt.Is(err) {
		return nil // an EROFS image is lost, which the line says
	}
	if err == nil {
		t.Sealed, t.Signed, err = stored.Summary(r)
	}
	return err
}

// namedImage returns an EROFS image as text, "" if there is none or it has no name.
func namedImage(r *repo.Repo, id verity.ID) (string, error) {
	if id.IsZero() {
		return "", nil
	}
	_, err := r.Lookup(repo.Images, id.String())
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return id.String(), err
}

// SetCost sets the sizes, as far as they are known. all is false if there may be more roots
// than were counted.
func (t *Tag) SetCost(c Cost, all bool) { t.Size, t.Unique = c.sizes(all) }

// String returns a line for programs: name, manifest, and the EROFS image, "-" or "artifact",
// with tabs between.
func (t Tag) String() string {
	return fmt.Sprintf("%s\t%s\t%s", oneLine(t.Name), t.Manifest, t.imageWord())
}

func (t Tag) imageWord() string {
	switch {
	case !t.Container:
		return "artifact"
	case t.Image == "":
		return "-"
	}
	return t.Image
}

// signedWord returns how many signatures there are, for people.
func (t Tag) signedWord() string {
	switch {
	case t.Signed > 0:
		return strconv.Itoa(t.Signed)
	case t.Sealed:
		return "sealed"
	}
	return "-"
}
