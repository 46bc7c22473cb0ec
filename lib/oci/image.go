package oci

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
	"cfs/lib/manifest"
	"cfs/lib/repo"
	"cfs/lib/splitstream"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// Config is an image's config with all that its stream refers to.
type Config struct {
	ID     verity.ID // of the stream
	Digest digest.Digest
	JSON   []byte
	Layers map[Key]verity.ID    // streams of the layers
	Images map[string]verity.ID // EROFS images, by variant.Variant.Key
}

// Manifest is an image's manifest with all that its stream refers to.
type Manifest struct {
	ID     verity.ID // of the stream
	Digest digest.Digest
	JSON   []byte
	v1.Manifest
	ConfigID verity.ID         // of the config's stream
	Streams  map[Key]verity.ID // of the layers

	odd error // what of the JSON not all tools read alike
}

// Image is a manifest and its config.
type Image struct {
	Manifest *Manifest
	Config   *Config
	Keys     []Key // of the layers, in their order
}

// ErrArtifact is why what needs a container image cannot be done with an artifact.
var ErrArtifact = errors.New("is an artifact, not a container image")

// IsContainer tells container images from artifacts, which have no EROFS images.
func (m *Manifest) IsContainer() bool { return manifest.IsImageConfig(m.Manifest.Config.MediaType) }

// OpenConfig opens the config whose stream is id.
func OpenConfig(r *repo.Repo, id verity.ID, d digest.Digest) (*Config, error) {
	doc, err := readDocument(r, id, splitstream.Config)
	if err != nil {
		return nil, fmt.Errorf("config %s: %w", d, err)
	}
	if err := verify(d, doc.JSON); err != nil {
		return nil, err
	}
	c := &Config{ID: id, Digest: d, JSON: doc.JSON, Layers: map[Key]verity.ID{}, Images: map[string]verity.ID{}}
	for _, ref := range doc.refs {
		if variant.IsKey(ref.Name) {
			c.Images[ref.Name] = ref.ID
		} else {
			c.Layers[Key(ref.Name)] = ref.ID
		}
	}
	return c, nil
}

// OpenNamedConfig opens the config of a digest as its name leads to it now. The error wraps
// fs.ErrNotExist if there is none.
func OpenNamedConfig(r *repo.Repo, d digest.Digest) (*Config, error) {
	id, err := r.Lookup(repo.Streams, ConfigName(d))
	if err != nil {
		return nil, fmt.Errorf("config %s: %w", d, err)
	}
	return OpenConfig(r, id, d)
}

// OpenManifest opens the manifest of a digest.
func OpenManifest(r *repo.Repo, d digest.Digest) (*Manifest, error) {
	id, err := r.Lookup(repo.Streams, ManifestName(d))
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d, err)
	}
	doc, err := readDocument(r, id, splitstream.Manifest)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d, err)
	}
	if err := verify(d, doc.JSON); err != nil {
		return nil, err
	}
	m := &Manifest{ID: id, Digest: d, JSON: doc.JSON, Streams: map[Key]verity.ID{}}
	m.Manifest, m.odd, err = manifest.ParseStored(doc.JSON)
	m.follow(doc.refs)
	if m.odd != nil && m.ConfigID.IsZero() {
		m.Manifest, err = manifest.ParseFolded(doc.JSON) // which the references may have been made of
		m.follow(doc.refs)
	}
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d, err)
	}
	if m.ConfigID.IsZero() {
		return nil, corrupt.Errorf("manifest %s: its stream refers to no config %s", d, m.Manifest.Config.Digest)
	}
	return m, nil
}

// follow takes in the references of the stream.
func (m *Manifest) follow(refs []splitstream.Ref) {
	for _, ref := range refs {
		if config, ok := strings.CutPrefix(ref.Name, configKey); !ok {
			m.Streams[Key(ref.Name)] = ref.ID
		} else if config == m.Manifest.Config.Digest.String() {
			m.ConfigID = ref.ID
		}
	}
}

func verify(d digest.Digest, text []byte) error {
	if err := d.Validate(); err != nil {
		return corrupt.Errorf("digest %q: %w", d, err)
	}
	if got := d.Algorithm().FromBytes(text); got != d {
		return corrupt.Errorf("stored JSON of %s has the digest %s", d, got)
	}
	return nil
}

// OpenImage opens the image whose manifest has the digest d. Its config is the one
// that the manifest's stream refers to, whatever has the config's name. The repository's
// Warn is told what of manifest and config not all tools read alike.
func OpenImage(r *repo.Repo, d digest.Digest) (*Image, error) {
	m, err := OpenManifest(r, d)
	if err != nil {
		return nil, err
	}
	c, err := OpenConfig(r, m.ConfigID, m.Manifest.Config.Digest)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d, err)
	}
	i := &Image{Manifest: m, Config: c}
	odd, err := i.readKeys()
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d, err)
	}
	if m.odd != nil {
		r.Odd(fmt.Errorf("manifest %s: %w", d, m.odd))
	}
	if odd != nil {
		r.Odd(fmt.Errorf("config %s: %w", c.Digest, odd))
	}
	return i, nil
}

// readKeys reads the keys of the layers. odd says what of the config not all tools read
// alike.
func (i *Image) readKeys() (odd, err error) {
	m := i.Manifest.Manifest
	if !i.Manifest.IsContainer() {
		i.Keys, err = LayerKeys(m, nil)
		return nil, err
	}
	config, odd, err := manifest.ParseStoredConfig(i.Config.JSON)
	if odd != nil && (err != nil || !i.hasStreams(config.DiffIDs)) {
		if folded, foldedErr := manifest.ParseFoldedConfig(i.Config.JSON); foldedErr == nil && i.hasStreams(folded.DiffIDs) {
			config, err = folded, nil // which the references were made of
		}
	}
	if err != nil {
		return odd, err
	}
	i.Keys, err = containerKeys(m, config)
	return odd, err
}

// hasStreams reports whether there is a reference to the stream of each layer.
func (i *Image) hasStreams(ids []digest.Digest) bool {
	return len(ids) > 0 && !slices.ContainsFunc(ids, func(id digest.Digest) bool { return i.Stream(Key(id)).IsZero() })
}

// LayerKeys returns the key of each layer of a manifest, in order, from the bytes
// of its config if that is a container image's.
func LayerKeys(m v1.Manifest, config []byte) ([]Key, error) {
	if !manifest.IsImageConfig(m.Config.MediaType) {
		keys := make([]Key, len(m.Layers))
		for i, l := range m.Layers {
			keys[i] = Key(l.Digest)
		}
		return keys, nil
	}
	c, err := manifest.ParseConfig(config)
	if err != nil {
		return nil, err
	}
	return containerKeys(m, c)
}

func containerKeys(m v1.Manifest, c manifest.Config) ([]Key, error) {
	if len(c.DiffIDs) != len(m.Layers) {
		return nil, corrupt.Errorf("manifest with %d layers, but its config %s has %d diff IDs", len(m.Layers), m.Config.Digest, len(c.DiffIDs))
	}
	keys := make([]Key, len(c.DiffIDs))
	for i, id := range c.DiffIDs {
		keys[i] = Key(id)
	}
	return keys, nil
}

// Stream returns the stream of the layer with a key, as the config or the manifest
// refers to it, the zero ID if neither does.
func (i *Image) Stream(key Key) verity.ID {
	if id, ok := i.Manifest.Streams[key]; ok {
		return id
	}
	return i.Config.Layers[key]
}

// ImageKeys returns the keys of the EROFS images of a config in the order in which
// its stream refers to them: plain ones, then boot ones by name.
func (c *Config) ImageKeys() []string {
	keys := make([]string, 0, len(c.Images))
	for key := range c.Images {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	slices.SortStableFunc(keys, func(a, b string) int {
		return btoi(variant.IsBootKey(a)) - btoi(variant.IsBootKey(b))
	})
	return keys
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
