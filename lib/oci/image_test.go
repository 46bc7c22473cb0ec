package oci_test

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
	"cfs/lib/internal/repotest"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/splitstream"
	"cfs/lib/verity"
)

// TestOpenImage: what is not there is not found, and what is not what it should be is
// corrupt: of the first a pull makes it anew, the second is damage.
func TestOpenImage(t *testing.T) {
	manifestName := func(i *oci.Image) string { return "oci-manifest-" + i.Manifest.Digest.String() }
	// manifest puts another manifest stream in the place of the right one.
	manifest := func(kind string, text func(*oci.Image) []byte, config func(*oci.Image) string) func(*testing.T, *repo.Repo, *oci.Image) {
		return func(t *testing.T, r *repo.Repo, i *oci.Image) {
			refs := map[string]verity.ID{config(i): i.Config.ID, i.Keys[0].String(): i.Stream(i.Keys[0])}
			rename(t, r, manifestName(i), repotest.Document(t, r, kind, text(i), refs))
		}
	}
	ownText := func(i *oci.Image) []byte { return i.Manifest.JSON }
	ownConfig := func(i *oci.Image) string { return "config:" + i.Config.Digest.String() }
	for _, v := range []struct {
		name    string
		do      func(t *testing.T, r *repo.Repo, i *oci.Image)
		corrupt bool
		want    string
	}{
		{"nothing", func(*testing.T, *repo.Repo, *oci.Image) {}, false, ""},
		{"the same in another order", manifest("ocimanif", ownText, ownConfig), false, ""},
		{"manifest without a name", func(t *testing.T, r *repo.Repo, i *oci.Image) {
			if err := r.RemoveName(repo.Streams, manifestName(i)); err != nil {
				t.Fatal(err)
			}
		}, false, "no such file or directory"},
		{"manifest stream missing", func(t *testing.T, r *repo.Repo, i *oci.Image) { repotest.Lose(t, r, i.Manifest.ID) }, false, "no such file or directory"},
		{"config stream missing", func(t *testing.T, r *repo.Repo, i *oci.Image) { repotest.Lose(t, r, i.Config.ID) }, false, "no such file or directory"},
		{"manifest JSON missing", func(t *testing.T, r *repo.Repo, i *oci.Image) {
			repotest.Lose(t, r, verity.SHA256.Sum(i.Manifest.JSON))
		}, false, "no such file or directory"},
		{"manifest stream damaged", func(t *testing.T, r *repo.Repo, i *oci.Image) { repotest.Flip(t, r, i.Manifest.ID, 0) }, true, "magic not found"},
		{"manifest of another type", manifest("ociconfg", ownText, ownConfig), true, `is of type "ociconfg", want "ocimanif"`},
		{"manifest of another digest", manifest("ocimanif", func(*oci.Image) []byte { return []byte("{}") }, ownConfig), true, "has the digest"},
		{"manifest without its config", manifest("ocimanif", ownText, func(*oci.Image) string { return "config:sha256:other" }), true, "its stream refers to no config"},
		{"manifest JSON damaged", func(t *testing.T, r *repo.Repo, i *oci.Image) {
			repotest.Flip(t, r, verity.SHA256.Sum(i.Manifest.JSON), 9)
		}, true, "has the digest"},
		{"config JSON damaged", func(t *testing.T, r *repo.Repo, i *oci.Image) {
			repotest.Flip(t, r, verity.SHA256.Sum(i.Config.JSON), 9)
		}, true, "has the digest"},
		{"manifest JSON not an object of the stream", func(t *testing.T, r *repo.Repo, i *oci.Image) {
			rename(t, r, manifestName(i), literal(t, r, verity.ID{}, string(i.Manifest.JSON)))
		}, true, "does not consist of one object"},
		{"more than the manifest in the stream", func(t *testing.T, r *repo.Repo, i *oci.Image) {
			rename(t, r, manifestName(i), literal(t, r, verity.SHA256.Sum(i.Manifest.JSON), "more"))
		}, true, "does not consist of one object"},
	} {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			r, _, image := one(t)
			v.do(t, r, image)
			again, err := oci.OpenImage(r, image.Manifest.Digest)
			if v.want == "" {
				if err != nil || string(again.Manifest.JSON) != string(image.Manifest.JSON) || again.Stream(again.Keys[0]) != image.Stream(image.Keys[0]) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), v.want) || corrupt.Is(err) != v.corrupt || errors.Is(err, fs.ErrNotExist) == v.corrupt {
				t.Errorf("got %v: corrupt %v, not found %v", err, corrupt.Is(err), errors.Is(err, fs.ErrNotExist))
			}
			if !strings.HasPrefix(err.Error(), "manifest "+image.Manifest.Digest.String()) && !strings.HasPrefix(err.Error(), "stored JSON of ") {
				t.Errorf("the error does not say of what: %v", err)
			}
		})
	}
}

// literal stores a manifest's stream that holds text itself, behind an object if there is
// one.
func literal(t *testing.T, r *repo.Repo, object verity.ID, text string) verity.ID {
	t.Helper()
	w, err := splitstream.NewWriter(r.Algorithm, splitstream.Manifest, r.Objects.Temp)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if !object.IsZero() {
		if err := w.WriteObject(object, 0); err != nil {
			t.Fatal(err)
		}
	}
	return store(t, r, w, text)
}

func store(t *testing.T, r *repo.Repo, w *splitstream.Writer, text string) verity.ID {
	t.Helper()
	o, err := r.Objects.NewObject()
	if err != nil {
		t.Fatal(err)
	}
	defer o.Discard()
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(o); err != nil {
		t.Fatal(err)
	}
	id, _, err := o.Commit()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestOtherAlgorithm: a stream of digests of another algorithm is of no use here.
func TestOtherAlgorithm(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	w, err := splitstream.NewWriter(verity.SHA512, splitstream.Layer, r.Objects.Temp)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	_, _, err = oci.OpenStream(r, store(t, r, w, "text"))
	if !corrupt.Is(err) || !strings.Contains(err.Error(), "in a repository of") {
		t.Errorf("got %v", err)
	}
}

// TestOpenConfig: by its stream, or by its name.
func TestOpenConfig(t *testing.T) {
	r, _, image := one(t)
	d := image.Config.Digest
	for name, open := range map[string]func() (*oci.Config, error){
		"by stream": func() (*oci.Config, error) { return oci.OpenConfig(r, image.Config.ID, d) },
		"by name":   func() (*oci.Config, error) { return oci.OpenNamedConfig(r, d) },
	} {
		c, err := open()
		if err != nil || c.ID != image.Config.ID || c.Digest != d || string(c.JSON) != string(image.Config.JSON) {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
	if _, err := oci.OpenNamedConfig(r, digest.FromString("none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("one that is not there: %v", err)
	}
	for _, d := range []digest.Digest{"none", digest.FromString("other")} {
		if _, err := oci.OpenConfig(r, image.Config.ID, d); !corrupt.Is(err) {
			t.Errorf("as %q: %v", d, err)
		}
	}
	if _, err := oci.OpenConfig(r, image.Manifest.ID, d); !corrupt.Is(err) {
		t.Errorf("a manifest as a config: %v", err)
	}
}

// TestLayerKeys: the layers of a container have the diff IDs of its config as keys, those
// of an artifact their own digests.
func TestLayerKeys(t *testing.T) {
	a, b := digest.FromString("a"), digest.FromString("b")
	layers := []v1.Descriptor{{Digest: a}, {Digest: b}}
	container := v1.Manifest{Config: v1.Descriptor{MediaType: v1.MediaTypeImageConfig}, Layers: layers}
	artifact := v1.Manifest{Config: v1.Descriptor{MediaType: v1.MediaTypeEmptyJSON}, Layers: layers}
	config, err := json.Marshal(v1.Image{RootFS: v1.RootFS{DiffIDs: []digest.Digest{b, a}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []struct {
		m    v1.Manifest
		want []string
	}{{container, []string{b.String(), a.String()}}, {artifact, []string{a.String(), b.String()}}} {
		keys, err := oci.LayerKeys(v.m, config)
		var got []string
		for _, key := range keys {
			got = append(got, key.String())
		}
		if err != nil || !slices.Equal(got, v.want) {
			t.Errorf("got %q, %v, want %q", got, err, v.want)
		}
	}
	for _, config := range []string{"{", "{}", `{"rootfs":{"diff_ids":["x","y"]}}`} {
		if keys, err := oci.LayerKeys(container, []byte(config)); !corrupt.Is(err) {
			t.Errorf("config %s: %v, %v", config, keys, err)
		}
	}
}
