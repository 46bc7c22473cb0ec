package source

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
	"cfs/lib/manifest"
)

// album is a layout in the making.
type album struct {
	index v1.Index
	files []string // names and contents
}

// add adds a manifest, as JSON writes it, and returns its descriptor.
func (a *album) add(m v1.Manifest, artifactType string) v1.Descriptor {
	m.SchemaVersion = 2
	text, _ := json.Marshal(m)
	return a.addText(string(text), artifactType)
}

func (a *album) addText(text, artifactType string) v1.Descriptor {
	d := v1.Descriptor{MediaType: v1.MediaTypeImageManifest, ArtifactType: artifactType, Digest: digest.FromString(text), Size: int64(len(text))}
	a.index.Manifests = append(a.index.Manifests, d)
	a.files = append(a.files, "blobs/sha256/"+d.Digest.Encoded(), text)
	return d
}

// signatures returns an artifact of a subject, told from others by its number.
func signatures(of v1.Descriptor, number int, layers ...int64) v1.Manifest {
	m := v1.Manifest{ArtifactType: manifest.SignatureArtifact, Config: v1.DescriptorEmptyJSON, Subject: &of, Layers: []v1.Descriptor{}, Annotations: map[string]string{"number": fmt.Sprint(number)}}
	for _, size := range layers {
		m.Layers = append(m.Layers, v1.Descriptor{MediaType: "application/x", Digest: digest.FromString(fmt.Sprint(size)), Size: size})
	}
	return m
}

// sources writes the layout, as a folder and as an archive.
func (a *album) sources(t *testing.T) []string {
	t.Helper()
	a.index.SchemaVersion = 2
	text, _ := json.Marshal(a.index)
	files := append([]string{"oci-layout", `{"imageLayoutVersion":"1.0.0"}`, "index.json", string(text)}, a.files...)
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		name := filepath.Join(dir, files[i])
		os.MkdirAll(filepath.Dir(name), 0o755)
		if err := os.WriteFile(name, []byte(files[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return []string{"oci:" + dir, "oci-archive:" + write(t, "a.tar", archive(t, files...))}
}

// referrers reads those of a subject.
func referrers(t *testing.T, name string, subject v1.Descriptor) ([]Referrer, []v1.Descriptor, error) {
	t.Helper()
	s, err := Open(name, Options{TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	return Referrers(t.Context(), s, subject.Digest, reader(s))
}

// TestReferrers: of all that a layout or an archive lists, the artifacts of this image count
// that have the type of signatures, whether their descriptors say so or not.
func TestReferrers(t *testing.T) {
	var a album
	image := a.add(v1.Manifest{Config: v1.DescriptorEmptyJSON}, "")
	want := []digest.Digest{a.add(signatures(image, 1), manifest.SignatureArtifact).Digest, a.add(signatures(image, 2, 16128), "").Digest}
	other := signatures(image, 3)
	other.ArtifactType = "application/spdx"
	a.add(other, "")
	a.add(other, other.ArtifactType)
	other.ArtifactType = ""
	other.Config.MediaType = manifest.SignatureArtifact
	want = append(want, a.add(other, "").Digest)
	a.add(signatures(v1.Descriptor{Digest: digest.FromString("x")}, 4), manifest.SignatureArtifact)
	a.addText("of no manifest", "")
	lost := a.add(signatures(image, 5), manifest.SignatureArtifact)
	a.files = a.files[:len(a.files)-2]
	slices.Sort(want)
	for _, name := range a.sources(t) {
		list, gone, err := referrers(t, name, image)
		var got []digest.Digest
		for _, r := range list {
			if got = append(got, r.Descriptor.Digest); digest.FromBytes(r.JSON) != r.Descriptor.Digest || r.Descriptor.ArtifactType != manifest.SignatureArtifact {
				t.Errorf("%s: %+v", name, r)
			}
		}
		if err != nil || !slices.Equal(got, want) || len(gone) != 1 || gone[0].Digest != lost.Digest {
			t.Errorf("%s: %v, gone %v, %v", name, got, gone, err)
		}
	}
}

// TestReferrersLimits: more than is read is damage; of other images' artifacts there may be any
// number, of any size.
func TestReferrersLimits(t *testing.T) {
	const sigs = manifest.SignatureArtifact
	for name, c := range map[string]struct {
		fill func(a *album, image v1.Descriptor)
		says string // "" if it is read
	}{
		"100 artifacts": {func(a *album, image v1.Descriptor) { fill(a, image, 100) }, ""},
		"101 artifacts": {func(a *album, image v1.Descriptor) { fill(a, image, 101) }, "more than 100 signature artifacts"},
		"101 of another": {func(a *album, image v1.Descriptor) {
			fill(a, v1.Descriptor{Digest: digest.FromString("x")}, 101)
		}, ""},
		"65 layers": {func(a *album, image v1.Descriptor) {
			a.add(signatures(image, 0, slices.Repeat([]int64{1}, 65)...), sigs)
		}, "65 layers, more than 64"},
		"16129 bytes": {func(a *album, image v1.Descriptor) { a.add(signatures(image, 0, 16129), sigs) }, "16129 bytes, more than 16128"},
		"65 layers of another": {func(a *album, image v1.Descriptor) {
			a.add(signatures(v1.Descriptor{}, 0, slices.Repeat([]int64{16129}, 65)...), sigs)
		}, ""},
		"another digest": {func(a *album, image v1.Descriptor) {
			a.add(signatures(image, 0), sigs)
			a.files[len(a.files)-1] += " "
		}, "referrer sha256:"},
		"no manifest": {func(a *album, image v1.Descriptor) { a.addText("{", sigs) }, "referrer sha256:"},
		"large": {func(a *album, image v1.Descriptor) {
			for n := range 2 {
				m := signatures(image, n)
				m.Annotations["x"] = strings.Repeat("x", 3<<20)
				a.add(m, sigs)
			}
		}, "4194304 bytes of manifests"},
	} {
		var a album
		image := a.add(v1.Manifest{Config: v1.DescriptorEmptyJSON}, "")
		c.fill(&a, image)
		for _, source := range a.sources(t) {
			_, _, err := referrers(t, source, image)
			if c.says == "" && err != nil || c.says != "" && (!corrupt.Is(err) || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("%s: %s: %v", name, source, err)
			}
		}
	}
}

func fill(a *album, image v1.Descriptor, n int) {
	for i := range n {
		a.add(signatures(image, i), manifest.SignatureArtifact)
	}
}
