package imagetest

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Layout is a folder in the OCI image layout that is being made.
type Layout struct {
	t   testing.TB
	dir string
}

// NewLayout returns the layout in a folder, which need not be there yet.
func NewLayout(t testing.TB, dir string) Layout { return Layout{t, dir} }

// HostPlatform is the platform of this machine.
func HostPlatform() v1.Platform { return v1.Platform{OS: "linux", Architecture: runtime.GOARCH} }

// Blob adds a blob.
func (l Layout) Blob(mediaType string, data []byte) v1.Descriptor {
	l.t.Helper()
	d := digest.FromBytes(data)
	l.write("blobs/sha256/"+d.Encoded(), data)
	return v1.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(data))}
}

// JSON adds a value as a blob of JSON.
func (l Layout) JSON(mediaType string, v any) v1.Descriptor {
	l.t.Helper()
	return l.Blob(mediaType, l.marshal(v))
}

// Config adds the config of a container image of layers, which are tars.
func (l Layout) Config(p v1.Platform, layers ...[]byte) v1.Descriptor {
	l.t.Helper()
	config := v1.Image{Platform: p, RootFS: v1.RootFS{Type: "layers"}}
	for _, data := range layers {
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, digest.FromBytes(data))
	}
	return l.JSON(v1.MediaTypeImageConfig, config)
}

// Manifest adds a manifest; artifactType is "" for a container image.
func (l Layout) Manifest(config v1.Descriptor, artifactType string, layers ...v1.Descriptor) v1.Descriptor {
	l.t.Helper()
	return l.JSON(v1.MediaTypeImageManifest, v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest,
		ArtifactType: artifactType, Config: config, Layers: layers,
	})
}

// Referrer adds an artifact of a type that belongs to subject.
func (l Layout) Referrer(artifactType string, subject v1.Descriptor, layers ...v1.Descriptor) v1.Descriptor {
	l.t.Helper()
	config := l.Blob(v1.MediaTypeEmptyJSON, []byte("{}"))
	d := l.JSON(v1.MediaTypeImageManifest, v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest,
		ArtifactType: artifactType, Config: config, Layers: layers,
		Subject: &v1.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size},
	})
	d.ArtifactType = artifactType
	return d
}

// List adds manifests without names to what the layout has.
func (l Layout) List(manifests ...v1.Descriptor) {
	l.t.Helper()
	index := l.ReadIndex()
	index.Manifests = append(index.Manifests, manifests...)
	l.writeIndex(index)
}

// Index adds an index of manifests.
func (l Layout) Index(manifests ...v1.Descriptor) v1.Descriptor {
	l.t.Helper()
	return l.JSON(v1.MediaTypeImageIndex, v1.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, Manifests: manifests,
	})
}

// Finish makes a manifest, or an index, the only one of the layout. It has no name.
func (l Layout) Finish(d v1.Descriptor) {
	l.t.Helper()
	l.writeIndex(v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, Manifests: []v1.Descriptor{d}})
}

// Name gives a manifest or an index a name in the layout, and takes it from what has it.
func (l Layout) Name(ref string, d v1.Descriptor) {
	l.t.Helper()
	index := l.ReadIndex()
	index.Manifests = slices.DeleteFunc(index.Manifests, func(d v1.Descriptor) bool { return d.Annotations[v1.AnnotationRefName] == ref })
	d.Annotations = map[string]string{v1.AnnotationRefName: ref}
	index.Manifests = append(index.Manifests, d)
	l.writeIndex(index)
}

// ReadIndex returns what the layout has, which is nothing if it is not there yet.
func (l Layout) ReadIndex() v1.Index {
	l.t.Helper()
	index := v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}}
	text, err := os.ReadFile(filepath.Join(l.dir, v1.ImageIndexFile))
	if err == nil {
		err = json.Unmarshal(text, &index)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.t.Fatal(err)
	}
	return index
}

func (l Layout) writeIndex(index v1.Index) {
	l.t.Helper()
	l.write(v1.ImageIndexFile, l.marshal(index))
	l.write(v1.ImageLayoutFile, l.marshal(v1.ImageLayout{Version: v1.ImageLayoutVersion}))
}

func (l Layout) marshal(v any) []byte {
	l.t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		l.t.Fatal(err)
	}
	return text
}

func (l Layout) write(name string, data []byte) {
	l.t.Helper()
	name = filepath.Join(l.dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		l.t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		l.t.Fatal(err)
	}
}
