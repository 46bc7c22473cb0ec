package manifest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
)

// FuzzLayout: whatever the two files of an image layout hold, an image in it is found or
// refused, and found by a digest that names a blob of the layout.
func FuzzLayout(f *testing.F) {
	const version = `{"imageLayoutVersion":"1.0.0"}`
	f.Add([]byte(version), []byte(indexSeed(`"sha256:`+strings.Repeat("0", 64)+`"`)), "a")
	f.Add([]byte(version), []byte(indexSeed(`"sha256:../../x"`)), "")
	f.Add([]byte(`{"imageLayoutVersion":"2"}`), []byte("{}"), "a")
	f.Add([]byte{}, []byte("[]"), "@sha256:0")
	f.Fuzz(func(t *testing.T, head, index []byte, ref string) {
		dir := t.TempDir()
		for name, text := range map[string][]byte{v1.ImageLayoutFile: head, v1.ImageIndexFile: index} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		l, err := OpenLayout(dir)
		if err != nil {
			return
		}
		d, err := l.Resolve(ref, nil, false)
		if err != nil {
			return
		}
		path, err := l.Path(d.Digest)
		if err != nil {
			return
		}
		if !strings.HasPrefix(path, dir+"/blobs/") {
			t.Errorf("%q is found at %s", ref, path)
		}
		if _, err := l.ReadAll(d); err == nil {
			t.Errorf("%s is read, and is not there", d.Digest)
		}
	})
}

// indexSeed returns an index.json with an image of a digest, whose name is a.
func indexSeed(digest string) string {
	return `{"schemaVersion":2,"manifests":[{"mediaType":"` + v1.MediaTypeImageManifest + `","digest":` + digest + `,"size":1,"annotations":{"org.opencontainers.image.ref.name":"a"}}]}`
}

// FuzzSaved: whatever the manifest.json of an archive of docker save holds, it is read, or
// refused as corrupt.
func FuzzSaved(f *testing.F) {
	for _, seed := range []string{`[{"Config":"a.json","RepoTags":["x:1"],"Layers":["b/layer.tar"]}]`, `[]`, `{}`, `[{"Config":"../../etc/passwd","config":"x"}]`, `null`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := ParseSaved(text); err != nil && !corrupt.Is(err) {
			t.Errorf("not marked as corrupt: %v", err)
		}
	})
}
