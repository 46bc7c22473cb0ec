package manifest

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
)

// layout makes a layout whose index.json is given.
func layout(t *testing.T, index string, blobs ...string) *Layout {
	t.Helper()
	dir := t.TempDir()
	os.MkdirAll(dir+"/blobs/sha256", 0o755)
	for _, b := range blobs {
		os.WriteFile(filepath.Join(dir, "blobs/sha256", digest.FromString(b).Encoded()), []byte(b), 0o644)
	}
	os.WriteFile(dir+"/oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644)
	os.WriteFile(dir+"/index.json", []byte(index), 0o644)
	l, err := OpenLayout(dir)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func descriptor(mediaType, text, rest string) string {
	return `{"mediaType":"` + mediaType + `","digest":"` + digest.FromString(text).String() + `","size":` + strconv.Itoa(len(text)) + rest + `}`
}

func TestResolve(t *testing.T) {
	config := `{"os":"linux","architecture":"arm64","variant":"v8"}`
	manifest := `{"schemaVersion":2,"config":` + descriptor(v1.MediaTypeImageConfig, config, "") + `,"layers":[]}`
	artifact := `{"schemaVersion":2,"config":` + descriptor("application/x", "{}", "") + `,"layers":[]}`
	inner := `{"schemaVersion":2,"manifests":[` + descriptor(v1.MediaTypeImageManifest, "amd", `,"platform":{"os":"linux","architecture":"amd64"}`) + `,` +
		descriptor(v1.MediaTypeImageManifest, manifest, "") + `]}`
	l := layout(t, `{"manifests":[`+
		descriptor(v1.MediaTypeImageIndex, inner, `,"annotations":{"org.opencontainers.image.ref.name":"multi"}`)+`,`+
		descriptor(v1.MediaTypeImageManifest, artifact, `,"annotations":{"org.opencontainers.image.ref.name":"artifact"}`)+`]}`,
		config, manifest, artifact, inner, "{}")
	amd, arm := v1.Platform{OS: "linux", Architecture: "amd64"}, v1.Platform{OS: "linux", Architecture: "arm64"}
	for _, v := range []struct {
		ref      string
		platform v1.Platform
		want     string
	}{
		{"multi", amd, "amd"}, {"multi", arm, manifest}, {"", arm, manifest}, {"artifact", arm, artifact},
		{"@" + digest.FromString(artifact).String(), amd, artifact},
		{"multi", v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}, manifest},
	} {
		if got, err := l.Resolve(v.ref, &v.platform, false); err != nil || got.Digest != digest.FromString(v.want) {
			t.Errorf("%q for %v: %s, %v", v.ref, v.platform, got.Digest, err)
		}
	}
	_, err := l.Resolve("multi", &v1.Platform{OS: "linux", Architecture: "s390x"}, false)
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "linux/amd64, linux/arm64/v8") {
		t.Errorf("s390x: %v", err)
	}
	if _, err := l.Resolve("other", &amd, false); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "multi, artifact") {
		t.Errorf("other: %v", err)
	}
}

// TestSchemaVersion: a manifest need not say of which version it is.
func TestSchemaVersion(t *testing.T) {
	for version, ok := range map[string]bool{`"schemaVersion":2,`: true, "": true, `"schemaVersion":1,`: false, `"schemaVersion":3,`: false} {
		_, err := Parse([]byte("{" + version + `"config":` + descriptor(v1.MediaTypeImageConfig, "{}", "") + `,"layers":[]}`))
		if ok != (err == nil) || !ok && !corrupt.Is(err) {
			t.Errorf("%q: %v", version, err)
		}
	}
}

func TestIndexInItself(t *testing.T) {
	// A blob cannot hold its own digest, but a layout can lie about one.
	inner := `{"manifests":[` + descriptor(v1.MediaTypeImageIndex, "x", "") + `]}`
	l := layout(t, inner)
	path, _ := l.Path(digest.FromString("x"))
	os.WriteFile(path, []byte(inner), 0o644)
	if _, err := l.Resolve("", nil, false); !corrupt.Is(err) {
		t.Error(err)
	}
}

// TestIndexesOfIndexes: what is read once is not read again, however many lead to it.
func TestIndexesOfIndexes(t *testing.T) {
	reads := 0
	texts := map[digest.Digest]string{}
	top := descriptor(v1.MediaTypeImageManifest, "none", `,"platform":{"os":"plan9","architecture":"mips"}`)
	var d v1.Descriptor
	for range maxDepth {
		text := `{"manifests":[` + strings.TrimSuffix(strings.Repeat(top+",", 60), ",") + `]}`
		d = v1.Descriptor{MediaType: v1.MediaTypeImageIndex, Digest: digest.FromString(text), Size: int64(len(text))}
		texts[d.Digest] = text
		top = descriptor(v1.MediaTypeImageIndex, text, "")
	}
	_, err := Find([]v1.Descriptor{d}, nil, func(d v1.Descriptor) ([]byte, error) {
		reads++
		return []byte(texts[d.Digest]), nil
	})
	if !errors.Is(err, os.ErrNotExist) || !strings.HasSuffix(err.Error(), "available: plan9/mips") || reads > maxDepth {
		t.Errorf("%d reads, %v", reads, err)
	}
	many := `{"schemaVersion":2,"layers":[` + strings.Repeat("{},", maxObjects) + `{}]}`
	if _, err := Parse([]byte(many)); !corrupt.Is(err) || !strings.Contains(err.Error(), "objects") {
		t.Errorf("a manifest of %d layers: %v", maxObjects, err)
	}
}

// TestNoMarker: where the file oci-layout is missing, an index.json tells a layout.
func TestNoMarker(t *testing.T) {
	for index, ok := range map[string]bool{
		`{"manifests":[]}`: true, `{"schemaVersion":2,"mediaType":"` + v1.MediaTypeImageIndex + `"}`: true,
		`{}`: false, `[]`: false, "x": false, "": false, `{"schemaVersion":2,"layers":[]}`: false, `{"pages":["a"]}`: false,
	} {
		dir := t.TempDir()
		if index != "" {
			os.WriteFile(dir+"/index.json", []byte(index), 0o644)
		}
		if _, err := OpenLayout(dir); ok != (err == nil) || !ok && !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%q: %v", index, err)
		}
	}
}
