// Package manifest reads the documents of OCI: image manifests and indexes, of the image
// specification and Docker's twins of them; it knows their media types, and finds the
// manifest for a platform in an index or in an image layout.
//
// What the blobs hold that a manifest names is not its concern, and where they are only
// in a layout.
package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
)

// Parse reads an image manifest.
func Parse(text []byte) (v1.Manifest, error) {
	var m v1.Manifest
	if err := unmarshal(text, &m); err != nil {
		return m, corrupt.Errorf("manifest: %w", err)
	}
	if err := checkDescriptor(m.Config); err != nil {
		return m, err
	}
	for _, d := range m.Layers {
		if err := checkDescriptor(d); err != nil {
			return m, err
		}
	}
	if m.SchemaVersion != 2 {
		return m, corrupt.Errorf("manifest: schema version %d is not supported", m.SchemaVersion)
	}
	return m, nil
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

// maxObjects is how many JSON objects a manifest or an index may hold, of which each takes
// a hundred times of its shortest text in memory.
const maxObjects = 20_000

// unmarshal is json.Unmarshal for what others wrote.
func unmarshal(text []byte, v any) error {
	if n := bytes.Count(text, []byte("{")); n > maxObjects {
		return fmt.Errorf("%d objects in one document, more than %d", n, maxObjects)
	}
	return json.Unmarshal(text, v)
}

// ParseDiffIDs reads the diff IDs of an image's config.
func ParseDiffIDs(text []byte) ([]digest.Digest, error) {
	var image v1.Image
	if err := json.Unmarshal(text, &image); err != nil {
		return nil, corrupt.Errorf("config: %w", err)
	}
	for _, d := range image.RootFS.DiffIDs {
		if err := d.Validate(); err != nil {
			return nil, corrupt.Errorf("config: diff ID %q: %w", d, err)
		}
	}
	return image.RootFS.DiffIDs, nil
}

// TypeOf returns the media type of a manifest or an index from its bytes: what it
// says itself, else what its fields tell.
func TypeOf(text []byte) string {
	var m struct {
		MediaType     string          `json:"mediaType"`
		SchemaVersion int             `json:"schemaVersion"`
		Manifests     json.RawMessage `json:"manifests"`
	}
	switch err := json.Unmarshal(text, &m); {
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
