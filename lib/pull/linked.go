package pull

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"cfs/lib/oci"
	"cfs/lib/progress"
	"cfs/lib/terminal"
)

// Linked is what became of an image, for people.
type Linked struct {
	Source      string // "" if unknown
	Manifest    digest.Digest
	Layers, New int   // layers, and how many of them were stored just now
	Bytes       int64 // of the objects that were stored for these
	Images      []ErofsImage
	Tag         string // "" for none
	Before      digest.Digest
}

// summary returns what became of the image that was linked.
func (l *Linker) summary(image *oci.Image, m Manifest, name string) Linked {
	s := Linked{Source: m.Source, Manifest: image.Manifest.Digest, Layers: len(l.image.Layers), Images: l.image.Images, Tag: name, Before: l.before}
	for _, layer := range l.image.Layers {
		if n, err := strconv.ParseInt(layer.Record().Get(keyNew), 10, 64); err == nil {
			s.New++
			s.Bytes += n
		}
	}
	return s
}

// WriteText writes five lines: the source, the layers, what was stored, the EROFS images and the
// tag.
func (s Linked) WriteText(w io.Writer) error {
	var images []string
	for _, i := range s.Images {
		images = append(images, fmt.Sprintf("%.12s %s", i.ID, i.Variant.Name()))
	}
	_, err := fmt.Fprintf(w, "pulled  %s\nlayers  %d new, %d reused\nstored  %s\nimage   %s\ntag     %s\n",
		terminal.Name(s.Source), s.New, s.Layers-s.New, progress.Bytes(s.Bytes), strings.Join(images, ", "), s.tag())
	return err
}

func (s Linked) tag() string {
	state := "new"
	switch {
	case s.Tag == "":
		return "none"
	case s.Before == s.Manifest:
		state = "unchanged"
	case s.Before != "":
		state = "moved"
	}
	return terminal.Name(s.Tag) + ", " + state
}
