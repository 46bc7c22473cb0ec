// Package oci stores container images and artifacts in a repository: a manifest and a config,
// each a splitstream that refers to its JSON, to the layers' streams and, for the config, to the
// EROFS images built from them; and tags. The chain from a tag through manifest and config to
// layers and images protects all of them from garbage collection.
package oci

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/opencontainers/go-digest"
)

// Key is what a layer's stream is named by, and what its references are: the diff ID in
// a container image, the layer's own digest in an artifact. It is empty while that is not
// known.
type Key digest.Digest

// String returns the digest as text.
func (k Key) String() string { return string(k) }

// LayerName returns the name of a layer's stream.
func LayerName(key Key) string { return layerPrefix + key.String() }

// BlobName returns the name of the stream of a blob that belongs to a referrer: it is another
// one than that of a blob of an artifact which is pulled itself.
func BlobName(d digest.Digest) string { return blobPrefix + d.String() }

// ConfigName returns the name of a config's stream.
func ConfigName(d digest.Digest) string { return configPrefix + d.String() }

// ManifestName returns the name of a manifest's stream.
func ManifestName(d digest.Digest) string { return manifestPrefix + d.String() }

const (
	layerPrefix    = "oci-layer-"
	blobPrefix     = "oci-blob-"
	configPrefix   = "oci-config-"
	manifestPrefix = "oci-manifest-"
	configKey      = "config:" // and the config's digest: the manifest's reference to it
	tagFolder      = "oci"     // below streams/refs
	referrerFolder = "oci-referrers"
	leaseFolder    = "cfs-lease"
)

// Kind is what a stream of a container image or an artifact holds.
type Kind string

const (
	KindManifest Kind = "manifest"
	KindConfig   Kind = "config"
	KindLayer    Kind = "layer"
	KindBlob     Kind = "blob" // of a referrer
)

// ParseName returns what the stream of a name holds, and the digest that it is named by; ok
// is false for other streams.
func ParseName(name string) (kind Kind, d digest.Digest, ok bool) {
	for prefix, kind := range map[string]Kind{manifestPrefix: KindManifest, configPrefix: KindConfig, layerPrefix: KindLayer, blobPrefix: KindBlob} {
		if text, ok := strings.CutPrefix(name, prefix); ok && digest.Digest(text).Validate() == nil {
			return kind, digest.Digest(text), true
		}
	}
	return "", "", false
}

// escaper and unescaper write names as names of files and read them back; nothing
// but "%" and "/" is escaped.
var (
	escaper   = strings.NewReplacer("%", "%25", "/", "%2F")
	unescaper = strings.NewReplacer("%25", "%", "%2F", "/")
)

// CheckTag returns why a name cannot be that of a new tag, nil if it can.
func CheckTag(name string) error {
	if err := CheckStoredTag(name); err != nil {
		return err
	}
	return checkText(name, "a tag")
}

// checkText refuses a new name that does something to a terminal, or is no text.
func checkText(name, what string) error {
	if !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return fmt.Errorf("%q cannot be %s: it contains control characters, or is not UTF-8", name, what)
	}
	return nil
}

// CheckStoredTag returns why no tag can have a name. Those with control characters in it are found
// and removed, as the reference makes them.
func CheckStoredTag(name string) error {
	switch file := escaper.Replace(name); {
	case name == "" || name == "." || name == "..":
		return fmt.Errorf("%q cannot be a tag", name)
	case strings.HasPrefix(name, "@"):
		return fmt.Errorf("%q cannot be a tag: a leading @ is for digests", name)
	case strings.Contains(name, "\x00"):
		return fmt.Errorf("%q cannot be a tag: it contains a NUL", name)
	case len(file) > 255:
		return fmt.Errorf("tag %.40q... is too long: %d bytes once escaped, at most 255", name, len(file))
	}
	return nil
}

// Names returns the names that a stream can have by an OCI digest.
func Names(d digest.Digest) []string {
	return []string{ManifestName(d), ConfigName(d), LayerName(Key(d)), BlobName(d)}
}
