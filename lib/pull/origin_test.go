package pull_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
	"cfs/lib/manifest"
	"cfs/lib/pull"
	"cfs/lib/source"
)

// sample is an image in an OCI layout at dir, and its name there.
type sample struct {
	dir                      string
	manifest, config         v1.Descriptor
	layers                   []v1.Descriptor
	manifestJSON, configJSON []byte
}

// newSample makes an image of plain tars, whose diff IDs are their digests. A layer that
// comes twice is in the manifest twice.
func newSample(t *testing.T, tars ...[]byte) *sample {
	t.Helper()
	s := &sample{dir: t.TempDir()}
	var diffIDs []digest.Digest
	for _, text := range tars {
		d := s.blob(t, v1.MediaTypeImageLayer, text)
		s.layers, diffIDs = append(s.layers, d), append(diffIDs, d.Digest)
	}
	s.finish(t, v1.MediaTypeImageConfig, v1.Image{Platform: manifest.HostPlatform(), RootFS: v1.RootFS{Type: "layers", DiffIDs: diffIDs}})
	return s
}

// newArtifact makes an artifact of blobs.
func newArtifact(t *testing.T, blobs ...string) *sample {
	t.Helper()
	s := &sample{dir: t.TempDir()}
	for _, text := range blobs {
		s.layers = append(s.layers, s.blob(t, "text/plain", []byte(text)))
	}
	s.finish(t, v1.MediaTypeEmptyJSON, struct{}{})
	return s
}

// finish writes all but the layers.
func (s *sample) finish(t *testing.T, configType string, config any) {
	t.Helper()
	s.configJSON = marshal(t, config)
	s.config = s.blob(t, configType, s.configJSON)
	s.manifestJSON = marshal(t, v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, Config: s.config, Layers: s.layers})
	s.manifest = s.blob(t, v1.MediaTypeImageManifest, s.manifestJSON)
	s.file(t, v1.ImageLayoutFile, marshal(t, v1.ImageLayout{Version: v1.ImageLayoutVersion}))
	s.file(t, v1.ImageIndexFile, marshal(t, v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, Manifests: []v1.Descriptor{s.manifest}}))
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (s *sample) blob(t *testing.T, mediaType string, content []byte) v1.Descriptor {
	t.Helper()
	d := v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
	s.file(t, "blobs/sha256/"+d.Digest.Encoded(), content)
	return d
}

func (s *sample) path(d v1.Descriptor) string { return s.dir + "/blobs/sha256/" + d.Digest.Encoded() }

func (s *sample) file(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(s.dir+"/"+name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.dir+"/"+name, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// layout is the SOURCE of the image where its blobs are files.
func (s *sample) layout() string { return "oci:" + s.dir }

// archive writes the image to an archive, where its blobs are no files, and returns the
// SOURCE.
func (s *sample) archive(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.AddFS(os.DirFS(s.dir)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "image.tar")
	if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return "oci-archive:" + name
}

// openOrigin opens an image by its SOURCE until the test ends.
func openOrigin(t *testing.T, name string) (*pull.Origin, error) {
	t.Helper()
	s, err := source.Open(name, source.Options{TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	o, err := pull.OpenOrigin(t.Context(), s, name, nil, nil)
	if err == nil {
		t.Cleanup(func() { o.Close() })
	}
	return o, err
}

func mustOpen(t *testing.T, name string) *pull.Origin {
	t.Helper()
	o, err := openOrigin(t, name)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// tarOf makes the tar of a file.
func tarOf(t *testing.T, name, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content))}); err != nil {
		t.Fatal(err)
	}
	w.Write([]byte(content))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestOrigin(t *testing.T) {
	a, b := tarOf(t, "a", "aaa"), tarOf(t, "b", "bbb")
	s := newSample(t, a, b, a)
	for name, local := range map[string]bool{s.layout(): true, s.archive(t): false} {
		o := mustOpen(t, name)
		if o.Name != name || o.Descriptor.Digest != s.manifest.Digest || !bytes.Equal(o.ManifestJSON, s.manifestJSON) || !bytes.Equal(o.ConfigJSON, s.configJSON) {
			t.Errorf("%s: %+v", name, o)
		}
		if got, err := o.IsLocal(); got != local || err != nil {
			t.Errorf("%s: local: %v, %v", name, got, err)
		}
		layers, err := o.Layers()
		if err != nil || len(layers) != 2 {
			t.Fatalf("%s: %v, %v", name, layers, err)
		}
		want := "layer " + s.layers[0].Digest.String() + " diff-id=" + s.layers[0].Digest.String() +
			" media-type=application/vnd.oci.image.layer.v1.tar size=2048 for=" + s.manifest.Digest.String()
		if got := layers[0].Record().String(); got != want {
			t.Errorf("%s\n%s, want\n%s", name, got, want)
		}
	}
}

func TestOriginArtifact(t *testing.T) {
	s := newArtifact(t, "one", "two", "one")
	layers, err := mustOpen(t, s.layout()).Layers()
	if err != nil || len(layers) != 2 {
		t.Fatalf("%v, %v", layers, err)
	}
	want := "blob " + s.layers[0].Digest.String() + " media-type=text/plain size=3 for=" + s.manifest.Digest.String()
	if got := layers[0].Record().String(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestOriginRefuses: what is read must be what its digest says, and fit together.
func TestOriginRefuses(t *testing.T) {
	for what, c := range map[string]struct {
		damage func(*sample)
		want   string
	}{
		"manifest":     {func(s *sample) { s.file(t, "blobs/sha256/"+s.manifest.Digest.Encoded(), s.configJSON) }, "bytes, want "},
		"config":       {func(s *sample) { s.file(t, "blobs/sha256/"+s.config.Digest.Encoded(), s.manifestJSON) }, "is longer than its "},
		"no manifest":  {func(s *sample) { os.Remove(s.path(s.manifest)) }, "blob sha256:"},
		"no config":    {func(s *sample) { os.Remove(s.path(s.config)) }, "blob sha256:"},
		"too few keys": {func(s *sample) { s.finish(t, v1.MediaTypeImageConfig, v1.Image{Platform: manifest.HostPlatform()}) }, "1 layers, but its config"},
		"no JSON": {func(s *sample) {
			s.manifest = s.blob(t, v1.MediaTypeImageManifest, []byte("no"))
			s.file(t, v1.ImageIndexFile, marshal(t, v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, Manifests: []v1.Descriptor{s.manifest}}))
		}, "manifest: invalid character"},
		"no image": {func(s *sample) {
			s.file(t, v1.ImageIndexFile, marshal(t, v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}}))
		}, ""},
	} {
		s := newSample(t, tarOf(t, "a", "aaa"))
		c.damage(s)
		if _, err := openOrigin(t, s.layout()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", what, err, c.want)
		}
	}

	// Two layers of one blob, which says of itself that it is two tars.
	s := newSample(t, tarOf(t, "a", "aaa"), tarOf(t, "b", "bbb"))
	s.layers[1] = s.layers[0]
	s.finish(t, v1.MediaTypeImageConfig, v1.Image{Platform: manifest.HostPlatform(), RootFS: v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{s.layers[0].Digest, s.config.Digest}}})
	if _, err := mustOpen(t, s.layout()).Layers(); !corrupt.Is(err) || !strings.Contains(err.Error(), "has two diff IDs") {
		t.Error(err)
	}
}

// TestOriginCopy: each blob of the image can be had, verified, and no other.
func TestOriginCopy(t *testing.T) {
	s := newSample(t, tarOf(t, "a", "aaa"))
	o := mustOpen(t, s.layout())
	for _, want := range append(s.layers, s.config, s.manifest) {
		d, err := o.Find(want.Digest.String())
		if err != nil || d.Size != want.Size {
			t.Fatalf("%s: %v, %v", want.Digest, d, err)
		}
		var out bytes.Buffer
		if err := o.Copy(t.Context(), &out, d); err != nil || digest.FromBytes(out.Bytes()) != d.Digest {
			t.Errorf("%s: %d bytes, %v", d.Digest, out.Len(), err)
		}
	}
	if _, err := o.Find("sha256:" + strings.Repeat("0", 64)); !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), s.layout()+" has no blob sha256:00") {
		t.Error(err)
	}
	s.file(t, "blobs/sha256/"+s.layers[0].Digest.Encoded(), make([]byte, s.layers[0].Size))
	var out bytes.Buffer
	if err := o.Copy(t.Context(), &out, s.layers[0]); !corrupt.Is(err) {
		t.Error(err)
	}
	os.Remove(s.path(s.layers[0]))
	if err := o.Copy(t.Context(), &out, s.layers[0]); !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), "blob sha256:") {
		t.Error(err)
	}
}
