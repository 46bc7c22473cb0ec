package repotest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/blob"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/splitstream"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// Docker's names for manifest, config and layer (distribution, manifest schema 2).
const (
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerConfig   = "application/vnd.docker.container.image.v1+json"
	dockerLayer    = "application/vnd.docker.image.rootfs.diff.tar.gzip"
)

// Layer is a layer that is stored, or the blob of an artifact.
type Layer struct {
	oci.Imported
	Tar []byte
}

// AddLayer stores the layer of members, and names it.
func AddLayer(t testing.TB, r *repo.Repo, members ...Member) Layer {
	t.Helper()
	return ImportLayer(t, r, Tar(t, members...))
}

// ImportLayer is AddLayer for a layer of any bytes.
func ImportLayer(t testing.TB, r *repo.Repo, tar []byte) Layer {
	t.Helper()
	done, err := oci.ImportLayer(t.Context(), r, bytes.NewReader(Gzip(t, tar)), blob.Gzip, oci.Source{Size: -1})
	if err != nil {
		t.Fatal(err)
	}
	Name(t, r, done.DiffID, done.Stream)
	return Layer{done, tar}
}

// AddUncut stores a layer as one literal, as another program may have that reads its tar
// otherwise, and names it by a key.
func AddUncut(t testing.TB, r *repo.Repo, tar []byte, key digest.Digest) Layer {
	t.Helper()
	w, err := splitstream.NewWriter(r.Algorithm, splitstream.Layer, r.Objects.Temp)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	var file bytes.Buffer
	if _, err := w.Write(tar); err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(&file); err != nil {
		t.Fatal(err)
	}
	id, _, err := r.Objects.PutBytes(file.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	Name(t, r, key, id)
	blob := Gzip(t, tar)
	src := oci.Source{Digest: digest.FromBytes(blob), Size: int64(len(blob)), DiffID: key}
	return Layer{oci.Imported{Source: src, Stream: id}, tar}
}

// AddBlob stores the blob of an artifact, and names it.
func AddBlob(t testing.TB, r *repo.Repo, content string) Layer {
	t.Helper()
	done, err := oci.ImportBlob(t.Context(), r, bytes.NewReader([]byte(content)), oci.Source{Size: -1})
	if err != nil {
		t.Fatal(err)
	}
	Name(t, r, done.Digest, done.Stream)
	return Layer{done, nil}
}

// Name gives the stream of a layer the name of a key.
func Name(t testing.TB, r *repo.Repo, key digest.Digest, stream verity.ID) {
	t.Helper()
	if err := r.Link(repo.Streams, "oci-layer-"+key.String(), stream); err != nil {
		t.Fatal(err)
	}
}

// Image says what the manifest and the config of an image are to hold.
type Image struct {
	Layers   []Layer
	Labels   map[string]string
	Docker   bool // with Docker's media types
	Artifact bool
	Note     string // an annotation of the manifest
}

// Config returns the JSON of the config.
func (i Image) Config(t testing.TB) []byte {
	t.Helper()
	if i.Artifact {
		return []byte("{}")
	}
	config := v1.Image{Config: v1.ImageConfig{Labels: i.Labels}, RootFS: v1.RootFS{Type: "layers"}}
	for _, l := range i.Layers {
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, l.DiffID)
	}
	return JSON(t, config)
}

// Manifest returns the JSON of the manifest.
func (i Image) Manifest(t testing.TB) []byte {
	t.Helper()
	mediaType, configType, layerType := v1.MediaTypeImageManifest, v1.MediaTypeImageConfig, v1.MediaTypeImageLayerGzip
	switch {
	case i.Docker:
		mediaType, configType, layerType = dockerManifest, dockerConfig, dockerLayer
	case i.Artifact:
		configType, layerType = v1.MediaTypeEmptyJSON, "application/octet-stream"
	}
	config := i.Config(t)
	m := v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: mediaType,
		Config: v1.Descriptor{MediaType: configType, Digest: digest.FromBytes(config), Size: int64(len(config))},
		Layers: []v1.Descriptor{},
	}
	if i.Note != "" {
		m.Annotations = map[string]string{"note": i.Note}
	}
	for _, l := range i.Layers {
		m.Layers = append(m.Layers, v1.Descriptor{MediaType: layerType, Digest: l.Digest, Size: l.Size})
	}
	return JSON(t, m)
}

// Link returns the image with the streams of its layers, before it is written, without
// EROFS images.
func (i Image) Link(t testing.TB) *oci.Link {
	t.Helper()
	text := i.Manifest(t)
	l, err := oci.NewLink(digest.FromBytes(text), text, i.Config(t))
	if err != nil {
		t.Fatal(err)
	}
	for n, key := range l.Keys {
		l.Streams[key] = i.Layers[n].Stream
	}
	return l
}

// AddEROFS stores the plain EROFS image of an image in a format, and adds it to l.
func AddEROFS(t testing.TB, r *repo.Repo, l *oci.Link, f variant.Format) verity.ID {
	t.Helper()
	root, err := l.Tree(r, variant.AllowlistOnly, nil)
	if err != nil {
		t.Fatal(err)
	}
	id, err := oci.StoreImage(r, root, f)
	if err != nil {
		t.Fatal(err)
	}
	l.Images[variant.Variant{Format: f}] = id
	return id
}

// Write links an image.
func Write(t testing.TB, r *repo.Repo, l *oci.Link) *oci.Image {
	t.Helper()
	image, err := l.Write(r)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// Pull does all that a pull does when the layers are stored: it makes the EROFS images
// that the repository wants of a container, links, and tags.
func Pull(t testing.TB, r *repo.Repo, tag string, i Image) *oci.Image {
	t.Helper()
	l := i.Link(t)
	if l.IsContainer() {
		for _, f := range r.Formats {
			AddEROFS(t, r, l, f)
		}
	}
	image := Write(t, r, l)
	if err := oci.SetTag(r, tag, l.Digest); err != nil {
		t.Fatal(err)
	}
	return image
}

// JSON returns the JSON of a value.
func JSON(t testing.TB, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Document stores a stream of one object, as a config ("ociconfg") or a manifest
// ("ocimanif") is, with any references, and returns it. It has no name.
func Document(t testing.TB, r *repo.Repo, kind string, text []byte, refs map[string]verity.ID) verity.ID {
	t.Helper()
	object, _, err := r.Objects.PutBytes(text)
	if err != nil {
		t.Fatal(err)
	}
	w, err := splitstream.NewWriter(r.Algorithm, splitstream.ContentType(binary.LittleEndian.Uint64([]byte(kind))), r.Objects.Temp)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, name := range slices.Sorted(maps.Keys(refs)) {
		w.AddRef(name, refs[name])
	}
	var file bytes.Buffer
	if err := errors.Join(w.WriteObject(object, uint64(len(text))), w.Finish(&file)); err != nil {
		t.Fatal(err)
	}
	id, _, err := r.Objects.PutBytes(file.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return id
}
