// Package manifest reads OCI documents: image manifests and indexes, in the form of the image
// specification and in Docker's, and configs. It handles their media types, and finds the
// manifest for a platform in an index or in an image layout.
//
// A document must have only one meaning. JSON allows duplicate keys, and many tools ignore the
// case of keys, so one text, with one digest, could be two images. Keys are read exactly, and
// anything that other readers would read differently is refused, except keys that the
// specifications do not define and keys of user-defined maps such as annotations. Documents that
// are already stored are read nevertheless, with a warning.
//
// The package handles neither the content of the blobs that a manifest names nor, except in
// layouts, their location.
package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
)

// Parse reads an image manifest.
func Parse(text []byte) (v1.Manifest, error) {
	m, odd, err := ParseStored(text)
	if odd != nil {
		err = fmt.Errorf("manifest: %w", odd) // the cause of others
	}
	return m, err
}

// ParseAs reads the image manifest that a descriptor refers to, whose media type it must
// not contradict. That its digest is right the caller verifies.
func ParseAs(d v1.Descriptor, text []byte) (v1.Manifest, error) {
	m, err := Parse(text)
	if err == nil {
		err = checkMediaType(m.MediaType, d.MediaType)
	}
	return m, err
}

// ParseStored reads an image manifest that was accepted before. odd says what of it not all
// tools read alike, and Parse refuses; it is nil if there is nothing.
func ParseStored(text []byte) (m v1.Manifest, odd, err error) {
	if odd, err = decode(text, manifestSchema, &m); err != nil {
		return m, odd, corrupt.Errorf("manifest: %w", err)
	}
	return m, odd, checkManifest(m)
}

// ParseFolded reads a manifest that was accepted before as encoding/json does, which ignores
// the case of keys.
func ParseFolded(text []byte) (m v1.Manifest, err error) {
	if n := bytes.Count(text, []byte("{")); n > maxObjects {
		return m, corrupt.Errorf("manifest: %d objects in one document, more than %d", n, maxObjects)
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, corrupt.Errorf("manifest: %w", err)
	}
	return m, checkManifest(m)
}

// checkManifest refuses a manifest that cannot be pulled.
func checkManifest(m v1.Manifest) error {
	if err := checkDescriptor(m.Config); err != nil {
		return err
	}
	for _, d := range m.Layers {
		if err := checkDescriptor(d); err != nil {
			return err
		}
	}
	if m.SchemaVersion != 2 && m.SchemaVersion != 0 { // which stands for none
		return corrupt.Errorf("manifest: schema version %d is not supported", m.SchemaVersion)
	}
	return nil
}

// checkMediaType compares what a document says that it is, if it does, with what the
// descriptor says that refers to it.
func checkMediaType(own, described string) error {
	if own != "" && own != described {
		return corrupt.Errorf("its mediaType is %q, but the descriptor that refers to it says %q", own, described)
	}
	return nil
}

// maxSize is the size in bytes of a blob up to which sums of some stay numbers.
const maxSize = 1 << 50

func checkDescriptor(d v1.Descriptor) error {
	if err := d.Digest.Validate(); err != nil {
		return corrupt.Errorf("manifest: digest %q: %w", d.Digest, err)
	}
	if d.Size < 0 || d.Size > maxSize {
		return corrupt.Errorf("manifest: %s has a size of %d", d.Digest, d.Size)
	}
	return nil
}

// ParseIndex reads an image index. If a descriptor refers to it, its media type must not
// contradict it; mediaType is "" if none does.
func ParseIndex(text []byte, mediaType string) (v1.Index, error) {
	var index v1.Index
	if err := decodeStrictly(text, indexSchema, &index); err != nil {
		return index, corrupt.Errorf("%w", err)
	}
	switch own := index.MediaType; {
	case mediaType != "":
		return index, checkMediaType(own, mediaType)
	case own != "" && !isIndex(own):
		return index, corrupt.Errorf("its mediaType is %q: it can only be an index", own)
	}
	return index, nil
}

// TypeOf returns the media type of a manifest or an index from its bytes: what it
// says itself, else what its fields tell.
func TypeOf(text []byte) string {
	var m struct {
		MediaType     string          `json:"mediaType"`
		SchemaVersion int             `json:"schemaVersion"`
		Manifests     json.RawMessage `json:"manifests"`
	}
	switch _, err := decode(text, headSchema, &m); {
	case err != nil:
		return "" // who parses it says why
	case m.MediaType != "":
		return m.MediaType
	case m.SchemaVersion == 1:
		return dockerSchema1
	case m.Manifests != nil:
		return v1.MediaTypeImageIndex
	}
	return v1.MediaTypeImageManifest
}

// References returns all that a manifest or an index refers to, whether keys are read
// exactly or not: what belongs to somebody must stay.
func References(text []byte) []v1.Descriptor {
	var exact, folded references
	if _, err := decode(text, referencesSchema, &exact); err != nil {
		return nil
	}
	list := exact.list()
	if json.Unmarshal(text, &folded) == nil {
		list = append(list, folded.list()...)
	}
	return list
}

type references struct {
	Config    *v1.Descriptor  `json:"config"`
	Subject   *v1.Descriptor  `json:"subject"`
	Layers    []v1.Descriptor `json:"layers"`
	Manifests []v1.Descriptor `json:"manifests"`
}

func (r references) list() []v1.Descriptor {
	list := append(r.Layers, r.Manifests...)
	for _, d := range []*v1.Descriptor{r.Config, r.Subject} {
		if d != nil {
			list = append(list, *d)
		}
	}
	return list
}
