package manifest

import (
	"encoding/json"
	"fmt"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
)

// Config is what is read of a container image's config.
type Config struct {
	Platform v1.Platform     // without os and architecture if the config names none
	DiffIDs  []digest.Digest // of the layers, in order
	Labels   map[string]string
}

// configJSON is Config as it stands in the document.
type configJSON struct {
	v1.Platform
	RootFS struct {
		DiffIDs []digest.Digest `json:"diff_ids"`
	} `json:"rootfs"`
	Config struct {
		Labels map[string]string `json:"Labels"`
	} `json:"config"`
}

// ParseConfig reads the config of a container image.
func ParseConfig(text []byte) (Config, error) {
	c, odd, err := ParseStoredConfig(text)
	if odd != nil {
		err = fmt.Errorf("config: %w", odd)
	}
	return c, err
}

// ParseStoredConfig reads the config of a container image that was accepted before. odd
// says what of it not all tools read alike, and ParseConfig refuses; it is nil if there is
// nothing.
func ParseStoredConfig(text []byte) (c Config, odd, err error) {
	var doc configJSON
	if odd, err = decode(text, configSchema, &doc); err != nil {
		return c, odd, corrupt.Errorf("config: %w", err)
	}
	c, err = doc.config()
	return c, odd, err
}

// ParseFoldedConfig reads a config that was accepted before as encoding/json does, which
// ignores the case of keys.
func ParseFoldedConfig(text []byte) (Config, error) {
	var doc configJSON
	if err := json.Unmarshal(text, &doc); err != nil {
		return Config{}, corrupt.Errorf("config: %w", err)
	}
	return doc.config()
}

func (doc configJSON) config() (Config, error) {
	for _, d := range doc.RootFS.DiffIDs {
		if err := d.Validate(); err != nil {
			return Config{}, corrupt.Errorf("config: diff ID %q: %w", d, err)
		}
	}
	return Config{Platform: doc.Platform, DiffIDs: doc.RootFS.DiffIDs, Labels: doc.Config.Labels}, nil
}
