package oci

import (
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
	"cfs/lib/flock"
	"cfs/lib/repo"
	"cfs/lib/splitstream"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

func testRepo(t *testing.T) *repo.Repo {
	t.Helper()
	path := t.TempDir() + "/repo"
	if err := repo.Init(path, repo.New{Algorithm: verity.SHA256, Formats: []variant.Format{variant.V1}, Insecure: true}); err != nil {
		t.Fatal(err)
	}
	r, err := repo.Open(path, flock.Lock{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// store stores the streams of an image as they are, as whoever does not look at its JSON.
func store(t *testing.T, r *repo.Repo, manifest, config string, key digest.Digest) digest.Digest {
	t.Helper()
	put := func(name string, typ splitstream.ContentType, text string, refs ...splitstream.Ref) verity.ID {
		doc, err := write(r, name, typ, []byte(text), refs, nil)
		if err == nil {
			err = nameAll(r, doc)
		}
		if err != nil {
			t.Fatal(err)
		}
		return doc.id
	}
	layer := splitstream.Ref{Name: key.String(), ID: put(LayerName(Key(key)), splitstream.Blob, "layer")}
	configID := put(ConfigName(digest.FromString(config)), splitstream.Config, config, layer)
	d := digest.FromString(manifest)
	put(ManifestName(d), splitstream.Manifest, manifest, splitstream.Ref{Name: configKey + digest.FromString(config).String(), ID: configID}, layer)
	return d
}

// TestStoredOddly: an image that two tools read as two is not linked; one that is stored is
// opened by the reading that its references are of, with a warning.
func TestStoredOddly(t *testing.T) {
	key, other := digest.FromString("layer"), digest.FromString("other")
	descriptor := func(mediaType string, d digest.Digest) string {
		return `{"mediaType":"` + mediaType + `","digest":"` + d.String() + `","size":1}`
	}
	config := `{"os":"linux","rootfs":{"diff_ids":["` + key.String() + `"]}}`
	manifestOf := func(config, more string) string {
		return `{"schemaVersion":2,"layers":[` + descriptor(v1.MediaTypeImageLayer, key) + `],"config":` +
			descriptor(v1.MediaTypeImageConfig, digest.FromString(config)) + more + `}`
	}
	oddConfig := `{"rootfs":{"diff_ids":["` + other.String() + `"]},"RootFS":{"diff_ids":["` + key.String() + `"]}}`
	plain := manifestOf(config, "")
	for name, v := range map[string]struct {
		manifest, config string
		odd              string // key that the warning names
	}{
		"plain":                        {plain, config, ""},
		"layers in two spellings":      {manifestOf(config, `,"Layers":[]`), config, "Layers"},
		"a manifest and an index":      {manifestOf(config, `,"manifests":[]`), config, "manifests"},
		"config in two spellings":      {manifestOf(config, `,"Config":`+descriptor(v1.MediaTypeImageConfig, other)), config, "Config"},
		"linked by the other spelling": {strings.Replace(plain, `"config"`, `"CONFIG"`, 1), config, "CONFIG"},
		"config that is odd":           {manifestOf(oddConfig, ""), oddConfig, "RootFS"},
	} {
		r := testRepo(t)
		var warnings []string
		r.Warn = func(err error) { warnings = append(warnings, err.Error()) }
		image, err := OpenImage(r, store(t, r, v.manifest, v.config, key))
		if err != nil || len(image.Keys) != 1 || image.Keys[0] != Key(key) {
			t.Errorf("%s: %+v, %v", name, image, err)
		}
		_, err = NewLink(digest.FromString(v.manifest), []byte(v.manifest), []byte(v.config))
		switch {
		case v.odd == "" && (err != nil || len(warnings) > 0):
			t.Errorf("%s: linked: %v; warnings %q", name, err, warnings)
		case v.odd != "" && (!corrupt.Is(err) || !strings.Contains(err.Error(), v.odd)):
			t.Errorf("%s: linked: %v, want an error that names %s", name, err, v.odd)
		case v.odd != "" && (len(warnings) != 1 || !strings.Contains(warnings[0], v.odd)):
			t.Errorf("%s: warnings %q, want one that names %s", name, warnings, v.odd)
		}
	}
}
