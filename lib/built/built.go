// Package built records in a repository which EROFS images were built from the layers of a
// container image, so that a repeated pull need not build them again to find their digests.
//
// A memo is a note of the repository (repo.ReadNote): text that is not flushed and may be missing
// or torn at any time. It is used only if it is complete and was written by the same rules that
// would build the images now.
package built

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"cfs/lib/corrupt"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// Rules is the number of the rules by which layers become images. It must be raised with
// every change of what image, or what warnings, come of some layers.
const Rules = 1

// folder holds the memos, each named by the digest of a config.
const folder = "built"

// Memo says which images were made of the layers of a container image.
type Memo struct {
	Config   digest.Digest
	Streams  []verity.ID // of the layers, in order
	Images   []Image
	Warnings []string // that were printed, each one line
}

// Image is an EROFS image.
type Image struct {
	Variant variant.Variant
	ID      verity.ID
	Size    int64 // in bytes
}

// Write writes the memo, with the images that an earlier one has of other variants of the
// same layers.
func (m Memo) Write(r *repo.Repo) error {
	old, err := Read(r, m.Config)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if slices.Equal(old.Streams, m.Streams) {
		for _, image := range old.Images {
			if _, again := m.Image(image.Variant); !again {
				m.Images = append(m.Images, image)
			}
		}
	}
	slices.SortFunc(m.Images, func(a, b Image) int { return strings.Compare(a.text(), b.text()) })
	if bytes.Equal(m.text(), old.text()) {
		return nil
	}
	return r.WriteNote(folder+"/"+m.Config.String(), m.text())
}

// Image returns the image that was made as a variant.
func (m Memo) Image(v variant.Variant) (Image, bool) {
	for _, image := range m.Images {
		if image.Variant == v {
			return image, true
		}
	}
	return Image{}, false
}

// IsThere reports whether the image has its name in the repository, and is of the size that
// it had. In a secure repository it is measured as well.
func (i Image) IsThere(r *repo.Repo) (bool, error) {
	named, err := r.Lookup(repo.Images, i.ID.String())
	var size int64
	if err == nil {
		size, err = sizeOf(r, named)
	}
	if corrupt.OrMissing(err) {
		return false, nil
	}
	return err == nil && named == i.ID && size == i.Size, err
}

func sizeOf(r *repo.Repo, id verity.ID) (int64, error) {
	f, err := r.Objects.Open(id)
	if err != nil {
		return 0, err
	}
	return f.Size(), f.Close()
}

// text returns the memo in its only spelling. The last line has the digest of what stands
// before.
func (m Memo) text() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "rules %d\nconfig %s\n", Rules, m.Config)
	for _, id := range m.Streams {
		fmt.Fprintf(&b, "stream %s\n", id)
	}
	for _, i := range m.Images {
		fmt.Fprintf(&b, "image %s\n", i.text())
	}
	for _, warning := range m.Warnings {
		fmt.Fprintf(&b, "warning %s\n", warning)
	}
	fmt.Fprintf(&b, "end %s\n", digest.FromBytes(b.Bytes()))
	return b.Bytes()
}

func (i Image) text() string {
	return fmt.Sprintf("%s %d %s %d %s", i.ID, i.Size, i.Variant.Name(), i.Variant.Format, i.Variant.Xattrs)
}

// Read returns the memo of the image with a config. The error wraps fs.ErrNotExist if there
// is none, or one that was written by other rules or is damaged, which is as good as none.
func Read(r *repo.Repo, config digest.Digest) (Memo, error) {
	text, err := r.ReadNote(folder + "/" + config.String())
	if err == nil {
		var m Memo
		if m, err = parse(text); err == nil && m.Config == config {
			return m, nil
		}
		err = fs.ErrNotExist
	}
	if corrupt.Is(err) {
		err = fs.ErrNotExist
	}
	return Memo{}, fmt.Errorf("what was made of the config %s: %w", config, err)
}

// parse reads the text of a memo. What does not come back as the same text is damaged.
func parse(text []byte) (m Memo, err error) {
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, len(text)+1)
	for err == nil && lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), " ")
		err = m.add(key, value)
	}
	if err == nil && !bytes.Equal(m.text(), text) {
		err = corrupt.Errorf("is not a complete memo")
	}
	return m, err
}

func (m *Memo) add(key, value string) (err error) {
	switch key {
	case "config":
		m.Config, err = digest.Parse(value)
	case "stream":
		var id verity.ID
		id, err = verity.ParseID(value)
		m.Streams = append(m.Streams, id)
	case "image":
		var image Image
		image, err = parseImage(value)
		m.Images = append(m.Images, image)
	case "warning":
		m.Warnings = append(m.Warnings, value)
	}
	return err
}

func parseImage(text string) (i Image, err error) {
	var id, name, format, xattrs string
	if _, err := fmt.Sscan(text, &id, &i.Size, &name, &format, &xattrs); err != nil {
		return i, err
	}
	if i.ID, err = verity.ParseID(id); err != nil {
		return i, err
	}
	if i.Variant.Boot, err = variant.ParseName(name); err != nil {
		return i, err
	}
	if i.Variant.Format, err = variant.ParseFormat(format); err != nil {
		return i, err
	}
	i.Variant.Xattrs, err = variant.ParseXattrMode(xattrs)
	return i, err
}

// Tidy removes the memos of configs that have no name any more.
func Tidy(r *repo.Repo) error {
	names, err := r.Notes(folder)
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, err := r.Lookup(repo.Streams, oci.ConfigName(digest.Digest(name))); errors.Is(err, fs.ErrNotExist) {
			if err := r.RemoveNote(folder + "/" + name); err != nil {
				return err
			}
		}
	}
	return nil
}
