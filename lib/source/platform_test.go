package source

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/manifest"
	"cfs/lib/registry"
)

// files are a layout: what is in its files, by their names.
type files map[string]string

// blob adds a blob.
func (f files) blob(mediaType string, content any) v1.Descriptor {
	text, err := json.Marshal(content)
	if err != nil {
		panic(err)
	}
	d := v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(text), Size: int64(len(text))}
	f["blobs/sha256/"+d.Digest.Encoded()] = string(text)
	return d
}

// image adds an image without layers.
func (f files) image(p v1.Platform) v1.Descriptor {
	config := f.blob(v1.MediaTypeImageConfig, v1.Image{Platform: p, RootFS: v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{}}})
	d := f.blob(v1.MediaTypeImageManifest, v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, Config: config, Layers: []v1.Descriptor{}})
	d.Platform = &p
	return d
}

// index adds an index, and lists it, or what is given, in index.json.
func (f files) index(list ...v1.Descriptor) v1.Descriptor {
	return f.blob(v1.MediaTypeImageIndex, v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, Manifests: list})
}

// places writes what a descriptor leads to to a layout, an archive, and a registry, and
// returns how each is named.
func (f files) places(t *testing.T, top v1.Descriptor) (names []string) {
	t.Helper()
	text, err := json.Marshal(v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, Manifests: []v1.Descriptor{top}})
	if err != nil {
		t.Fatal(err)
	}
	f["index.json"] = string(text)
	dir := t.TempDir()
	var members []string
	for name, content := range f {
		members = append(members, name, content)
		path := filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(path), 0o755)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
		if name == "tag" {
			name = top.Digest.String()
		}
		fmt.Fprint(w, f["blobs/"+strings.Replace(name, ":", "/", 1)])
	}))
	t.Cleanup(s.Close)
	conf := filepath.Join(t.TempDir(), "registries.conf")
	os.WriteFile(conf, nil, 0o644)
	t.Setenv("CONTAINERS_REGISTRIES_CONF", conf)
	t.Setenv("HOME", t.TempDir())
	return []string{"oci:" + dir, "oci-archive:" + write(t, "a.tar", archive(t, members...)), "docker://" + s.Listener.Addr().String() + "/a:tag"}
}

// find finds an image by a name.
func find(t *testing.T, name string, p *v1.Platform) (v1.Descriptor, error) {
	t.Helper()
	insecure := false
	s, err := Open(name, Options{TempDir: t.TempDir(), Registry: registry.Options{TLSVerify: &insecure}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	return s.Manifest(t.Context(), p)
}

// TestSamePlatform: layouts, of which these have no file oci-layout, archives and registries
// give the same image of an index.
func TestSamePlatform(t *testing.T) {
	f := files{}
	want := map[string]v1.Descriptor{}
	var list []v1.Descriptor
	for _, name := range []string{"linux/amd64/v3", "linux/amd64/v2", "linux/amd64", "linux/arm/v5", "linux/arm/v8", "linux/arm/v7", "linux/arm64/v8"} {
		p, err := manifest.ParsePlatform(name)
		if err != nil {
			t.Fatal(err)
		}
		want[name] = f.image(p)
		list = append(list, want[name])
	}
	bare := f.image(v1.Platform{OS: "linux", Architecture: "s390x"})
	bare.Platform = nil
	want["linux/s390x"] = bare
	for _, name := range f.places(t, f.index(append(list, f.index(bare))...)) {
		for asked, wanted := range map[string]string{
			"linux/amd64": "linux/amd64", "linux/amd64/v2": "linux/amd64/v2", "linux/amd64/v4": "linux/amd64", "linux/arm/v6": "linux/arm/v5",
			"linux/arm": "linux/arm/v8", "linux/arm64": "linux/arm64/v8", "linux/s390x": "linux/s390x", "linux/mips": "",
		} {
			p, _ := manifest.ParsePlatform(asked)
			d, err := find(t, name, &p)
			if wanted == "" && !errors.Is(err, fs.ErrNotExist) || wanted != "" && (err != nil || d.Digest != want[wanted].Digest) {
				t.Errorf("%s of %s: %s, %v", asked, name, d.Digest, err)
			}
		}
	}
}

// TestAlone: an image that is alone is taken from anywhere, whatever it is for, if no platform
// is asked for.
func TestAlone(t *testing.T) {
	f := files{}
	image := f.image(v1.Platform{OS: "plan9", Architecture: "mips"})
	for _, name := range f.places(t, image) {
		if d, err := find(t, name, nil); err != nil || d.Digest != image.Digest {
			t.Errorf("%s: %s, %v", name, d.Digest, err)
		}
		if _, err := find(t, name, &v1.Platform{OS: "linux", Architecture: "amd64"}); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "plan9/mips") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestContradictions: what an index lists must be what it says, wherever that is.
func TestContradictions(t *testing.T) {
	f := files{}
	p := v1.Platform{OS: "linux", Architecture: "amd64"}
	image := f.image(p)
	inner := f.index(image)
	inner.MediaType = manifest.DockerManifestList // it says that it is OCI's
	for _, name := range f.places(t, f.index(inner)) {
		if _, err := find(t, name, &p); err == nil || !strings.Contains(err.Error(), "mediaType") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
