// Package oci keeps container images and artifacts in a repository: a manifest and
// a config, each a splitstream that refers to its JSON, to the layers' streams and,
// the config, to the EROFS images made from them; and tags. The chain from a tag
// over manifest and config to layers and images is what keeps all of them alive.
package oci

import (
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

	"cfs/lib/layer"
)

// LayerName returns the name of a layer's stream, by its key: the diff ID in a
// container image, the layer's own digest in an artifact.
func LayerName(key digest.Digest) string { return "oci-layer-" + key.String() }

func configName(d digest.Digest) string { return "oci-config-" + d.String() }

// ManifestName returns the name of a manifest's stream.
func ManifestName(d digest.Digest) string { return manifestPrefix + d.String() }

const (
	manifestPrefix = "oci-manifest-"
	configKey      = "config:" // and the config's digest: the manifest's reference to it
	tagFolder      = "oci"     // below streams/refs
	leaseFolder    = "cfs-lease"

	plainKey  = "composefs.image"
	bootKey   = "composefs.image.boot"
	v1Suffix  = ".v1"
	modeInfix = ".xattrs="
)

// Variant tells which of the file systems of a container image an EROFS image is.
type Variant struct {
	Boot    bool
	Version int             // of the EROFS format: 0, 1 or 2
	Xattrs  layer.XattrMode // of the boot variant; the plain one has the default
}

// Key returns the named reference of the config that leads to that EROFS image.
// Images of the formats 0 and 1 stand in the same place.
func (v Variant) Key() string {
	key := plainKey
	if v.Boot {
		key = bootKey
	}
	if v.Version < 2 {
		key += v1Suffix
	}
	if v.Boot && v.Xattrs != layer.AllowlistOnly {
		key += modeInfix + v.Xattrs.String()
	}
	return key
}

// IsImageKey tells a config's references to EROFS images from those to layers.
func IsImageKey(key string) bool {
	return key == plainKey || key == plainKey+v1Suffix || strings.HasPrefix(key, bootKey)
}

// ParseKey returns what a reference to an EROFS image leads to; for one in the
// place of the formats 0 and 1 it says 1. ok is false for keys that later writers
// may have, which are kept but not understood.
func ParseKey(key string) (v Variant, ok bool) {
	rest, mode, hasMode := strings.Cut(key, modeInfix)
	if hasMode {
		var err error
		if v.Xattrs, err = layer.ParseXattrMode(mode); err != nil {
			return Variant{}, false
		}
	}
	rest, isV1 := strings.CutSuffix(rest, v1Suffix)
	v.Version = 2
	if isV1 {
		v.Version = 1
	}
	v.Boot = rest == bootKey
	return v, (v.Boot || rest == plainKey) && v.Key() == key
}

// escaper and unescaper write names as names of files and read them back; nothing
// but "%" and "/" is escaped.
var (
	escaper   = strings.NewReplacer("%", "%25", "/", "%2F")
	unescaper = strings.NewReplacer("%25", "%", "%2F", "/")
)

// CheckTag returns why a name cannot be a tag, nil if it can.
func CheckTag(name string) error {
	switch file := escaper.Replace(name); {
	case name == "" || name == "." || name == "..":
		return fmt.Errorf("%q cannot be a tag", name)
	case strings.HasPrefix(name, "@"):
		return fmt.Errorf("%q cannot be a tag: a leading @ is for digests", name)
	case strings.Contains(name, "\x00"):
		return fmt.Errorf("%q cannot be a tag: it has a NUL in it", name)
	case len(file) > 255:
		return fmt.Errorf("tag %.40q... is too long: %d bytes once escaped, at most 255", name, len(file))
	}
	return nil
}

// Names returns the names that a stream can have by an OCI digest.
func Names(d digest.Digest) []string { return []string{ManifestName(d), configName(d), LayerName(d)} }
