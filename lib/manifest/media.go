package manifest

import (
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/blob"
)

// Docker's media types, from its "Image Manifest Version 2, Schema 2". Those of
// layers and configs are taken as their OCI twins.
const (
	DockerManifest     = "application/vnd.docker.distribution.manifest.v2+json"
	DockerManifestList = "application/vnd.docker.distribution.manifest.list.v2+json"
	DockerConfig       = "application/vnd.docker.container.image.v1+json"

	dockerSchema1       = "application/vnd.docker.distribution.manifest.v1+json"
	dockerSchema1Signed = "application/vnd.docker.distribution.manifest.v1+prettyjws"

	dockerLayer   = "application/vnd.docker.image.rootfs.diff.tar"
	dockerForeign = "application/vnd.docker.image.rootfs.foreign.diff.tar"
)

const nonDistributable = "application/vnd.oci.image.layer.nondistributable.v1.tar"

// layers holds the media types of layers that are tars.
var layers = map[string]blob.Compression{
	v1.MediaTypeImageLayer:     blob.None,
	v1.MediaTypeImageLayerGzip: blob.Gzip,
	v1.MediaTypeImageLayerZstd: blob.Zstd,
	// Deprecated by the image specification, but still found.
	nonDistributable:           blob.None,
	nonDistributable + "+gzip": blob.Gzip,
	nonDistributable + "+zstd": blob.Zstd,

	dockerLayer:             blob.None,
	dockerLayer + ".gzip":   blob.Gzip,
	dockerLayer + ".zstd":   blob.Zstd,
	dockerForeign:           blob.None,
	dockerForeign + ".gzip": blob.Gzip,
}

// LayerCompression returns how a layer of that media type is compressed, and
// whether it is a tar at all.
func LayerCompression(mediaType string) (blob.Compression, bool) {
	c, ok := layers[mediaType]
	return c, ok
}

// IsManifest reports whether a media type is that of a manifest or an index, which a
// registry serves apart from other blobs.
func IsManifest(mediaType string) bool {
	switch mediaType {
	case v1.MediaTypeImageManifest, v1.MediaTypeImageIndex, DockerManifest, DockerManifestList, dockerSchema1, dockerSchema1Signed:
		return true
	}
	return false
}

// IsForeign reports whether a layer of that media type is kept outside of registries,
// where its descriptor's URLs say.
func IsForeign(mediaType string) bool {
	return strings.HasPrefix(mediaType, nonDistributable) || strings.HasPrefix(mediaType, dockerForeign)
}

// IsDocker reports whether a media type is one of Docker's own, which the reference
// does not know.
func IsDocker(mediaType string) bool {
	return strings.HasPrefix(mediaType, "application/vnd.docker.")
}

// IsImageConfig reports whether a config of that media type is a container image's,
// with the diff IDs of its layers, and not an artifact's.
func IsImageConfig(mediaType string) bool {
	return mediaType == v1.MediaTypeImageConfig || mediaType == DockerConfig
}
