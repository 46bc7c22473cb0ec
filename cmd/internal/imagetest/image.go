package imagetest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Make writes a layout with one container image of layers, which are compressed by gzip,
// by zstd and not at all, in turns.
func Make(t testing.TB, dir string, layers ...[]byte) {
	t.Helper()
	l := NewLayout(t, dir)
	var blobs []v1.Descriptor
	for i, data := range layers {
		switch i % 3 {
		case 0:
			blobs = append(blobs, l.Blob(v1.MediaTypeImageLayerGzip, Gzip(t, data)))
		case 1:
			blobs = append(blobs, l.Blob(v1.MediaTypeImageLayerZstd, Zstd(t, data)))
		default:
			blobs = append(blobs, l.Blob(v1.MediaTypeImageLayer, data))
		}
	}
	l.Finish(l.Manifest(l.Config(HostPlatform(), layers...), "", blobs...))
}

// MakeGzip is Make with the compression that all forms of images can hold.
func MakeGzip(t testing.TB, dir string, layers ...[]byte) {
	t.Helper()
	l := NewLayout(t, dir)
	var blobs []v1.Descriptor
	for _, data := range layers {
		blobs = append(blobs, l.Blob(v1.MediaTypeImageLayerGzip, Gzip(t, data)))
	}
	l.Finish(l.Manifest(l.Config(HostPlatform(), layers...), "", blobs...))
}

// MakeArtifact writes a layout with one artifact of one blob.
func MakeArtifact(t testing.TB, dir, content string) {
	t.Helper()
	l := NewLayout(t, dir)
	config := l.Blob(v1.MediaTypeEmptyJSON, []byte("{}"))
	l.Finish(l.Manifest(config, "application/x-test", l.Blob("application/octet-stream", []byte(content))))
}

// Top returns the only manifest, or index, that a layout names.
func Top(t testing.TB, dir string) v1.Descriptor {
	t.Helper()
	list := NewLayout(t, dir).ReadIndex().Manifests
	if len(list) != 1 {
		t.Fatalf("%s names %d manifests, want 1", dir, len(list))
	}
	return list[0]
}

// Manifest returns the manifest of the only image of a layout.
func Manifest(t testing.TB, dir string) v1.Manifest {
	t.Helper()
	return ManifestOf(t, dir, Top(t, dir))
}

// ManifestOf returns the manifest of a layout that has a descriptor.
func ManifestOf(t testing.TB, dir string, d v1.Descriptor) (m v1.Manifest) {
	t.Helper()
	if err := json.Unmarshal(Blob(t, dir, d.Digest), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// Blob returns a blob of a layout.
func Blob(t testing.TB, dir string, d digest.Digest) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "blobs/sha256", d.Encoded()))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
