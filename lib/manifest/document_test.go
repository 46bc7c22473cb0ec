package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
	"cfs/testdata/wild"
)

// Parts of documents, where %s stands for more members.
const (
	one        = `"sha256:1111111111111111111111111111111111111111111111111111111111111111"`
	two        = `"sha256:2222222222222222222222222222222222222222222222222222222222222222"`
	aLayer     = `{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":` + one + `,"size":7}`
	aConfig    = `{"mediaType":"application/vnd.oci.image.config.v1+json","digest":` + two + `,"size":5}`
	manifestOf = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":` + aConfig + `,"layers":[` + aLayer + `]%s}`
	configOf   = `{"architecture":"amd64","os":"linux","config":{"Labels":{"a":"1","A":"2"}},"rootfs":{"type":"layers","diff_ids":[` + one + `]}%s}`
	indexOf    = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[` + aLayer + `]%s}`
)

// documents parses a text as each kind of document.
var documents = map[string]func(string) error{
	"manifest": func(text string) error { _, err := Parse([]byte(text)); return err },
	"config":   func(text string) error { _, err := ParseConfig([]byte(text)); return err },
	"index":    func(text string) error { _, err := ParseIndex([]byte(text), v1.MediaTypeImageIndex); return err },
	"saved":    func(text string) error { _, err := ParseSaved([]byte(text)); return err },
	"layout":   func(text string) error { _, err := FindNamed([]byte(text), ""); return err },
}

// TestOneReading: what two tools could read as two documents is refused, and the message
// names the key.
func TestOneReading(t *testing.T) {
	layerWith := func(more string) string {
		return fmt.Sprintf(`{"schemaVersion":2,"config":%s,"layers":[%s]}`, aConfig, strings.TrimSuffix(aLayer, "}")+more+"}")
	}
	for _, v := range []struct{ kind, text, key string }{
		{"manifest", fmt.Sprintf(manifestOf, `,"layers":[]`), "layers"},
		{"manifest", fmt.Sprintf(manifestOf, `,"Layers":[]`), "Layers"},
		{"manifest", fmt.Sprintf(manifestOf, `,"layerſ":[]`), "layerſ"},
		{"manifest", fmt.Sprintf(manifestOf, `,"\u006cayers":[]`), "layers"},
		{"manifest", fmt.Sprintf(manifestOf, `,"layers":null`), "layers"},
		{"manifest", fmt.Sprintf(manifestOf, `,"manifests":[]`), "manifests"},
		{"manifest", fmt.Sprintf(manifestOf, `,"Manifests":[]`), "Manifests"},
		{"manifest", fmt.Sprintf(manifestOf, `,"fsLayers":[]`), "fsLayers"},
		{"manifest", fmt.Sprintf(manifestOf, `,"history":[]`), "history"},
		{"manifest", fmt.Sprintf(manifestOf, `,"config":`+aConfig), "config"},
		{"manifest", fmt.Sprintf(manifestOf, `,"CONFIG":`+aConfig), "CONFIG"},
		{"manifest", fmt.Sprintf(manifestOf, `,"schemaVersion":2`), "schemaVersion"},
		{"manifest", fmt.Sprintf(manifestOf, `,"MediaType":"x"`), "MediaType"},
		{"manifest", fmt.Sprintf(manifestOf, `,"annotations":{},"annotations":{}`), "annotations"},
		{"manifest", strings.Replace(fmt.Sprintf(manifestOf, ""), `"layers"`, `"LAYERS"`, 1), "LAYERS"},
		{"manifest", layerWith(`,"digest":` + two), "digest"},
		{"manifest", layerWith(`,"Digest":` + two), "Digest"},
		{"manifest", layerWith(`,"size":8`), "size"},
		{"manifest", layerWith(`,"mediatype":"x"`), "mediatype"},
		{"manifest", layerWith(`,"urls":[],"URLs":[]`), "URLs"},
		{"manifest", layerWith(`,"platform":{"os":"a","OS":"b"}`), "OS"},
		{"config", fmt.Sprintf(configOf, `,"rootfs":{}`), "rootfs"},
		{"config", fmt.Sprintf(configOf, `,"RootFS":{}`), "RootFS"},
		{"config", fmt.Sprintf(configOf, `,"OS":"x"`), "OS"},
		{"config", fmt.Sprintf(configOf, `,"architecture":"x"`), "architecture"},
		{"config", `{"rootfs":{"diff_ids":[],"diff_ids":[]}}`, "diff_ids"},
		{"config", `{"rootfs":{"Diff_IDs":[]}}`, "Diff_IDs"},
		{"config", `{"config":{"Labels":{},"labels":{}}}`, "labels"},
		{"config", `{"config":{"Cmd":[],"Cmd":["a"]}}`, "Cmd"},
		{"index", fmt.Sprintf(indexOf, `,"manifests":[]`), "manifests"},
		{"index", fmt.Sprintf(indexOf, `,"layers":[]`), "layers"},
		{"index", fmt.Sprintf(indexOf, `,"Config":{}`), "Config"},
		{"index", `{"Manifests":[]}`, "Manifests"},
		{"index", `{"manifests":[{"digest":` + one + `,"platform":{"variant":"v7","Variant":"v6"}}]}`, "Variant"},
		{"layout", fmt.Sprintf(indexOf, `,"MANIFESTS":[]`), "MANIFESTS"},
		{"layout", `{"mediaType":"` + v1.MediaTypeImageManifest + `","manifests":[]}`, "mediaType"},
		{"saved", `[{"Config":"a","config":"b"}]`, "config"},
		{"saved", `[{},{"Layers":["a"],"Layers":["b"]}]`, "Layers"},
	} {
		err := documents[v.kind](v.text)
		if !corrupt.Is(err) || !strings.Contains(err.Error(), v.key) {
			t.Errorf("%s %s: %v, want an error that names %s", v.kind, v.text, err, v.key)
		}
	}
}

// TestUsersKeys: keys that the specifications do not define, and those of maps, are the
// users' own.
func TestUsersKeys(t *testing.T) {
	for kind, texts := range map[string][]string{
		"manifest": {
			fmt.Sprintf(manifestOf, `,"annotations":{"a":"1","A":"2","layers":"3","manifests":"4"}`),
			fmt.Sprintf(manifestOf, `,"x":1,"x":2,"X":{"layers":[],"Layers":[]}`),
			fmt.Sprintf(manifestOf, `,"subject":{"digest":`+one+`,"size":1,"annotations":{"size":"1","Size":"2"}}`),
			strings.Replace(fmt.Sprintf(manifestOf, ""), `"size":7`, `"size":7,"annotations":{"size":"1","SIZE":"2"},"x":1,"x":2`, 1),
		},
		"config": {
			fmt.Sprintf(configOf, `,"moby.buildkit.cache.v0":"a","x":1,"x":1`),
			fmt.Sprintf(configOf, `,"history":[{"created":"a","Created":"b"}],"container_config":{"Cmd":[],"cmd":[]}`),
			`{"config":null,"rootfs":{"type":"layers","diff_ids":null}}`,
			`{"config":{"Labels":null,"Env":null,"ExposedPorts":{"80/tcp":{},"80/TCP":{}},"Volumes":{"/a":{},"/A":{}},"Memory":1,"memory":2}}`,
			`{"config":{"ExposedPorts":{` + strings.Repeat(`"1/tcp":{},`, 65535) + `"2/tcp":{}}}}`,
		},
		"index": {fmt.Sprintf(indexOf, `,"annotations":{"manifests":"1","Manifests":"2"}`)},
		"saved": {`[{"Config":"a","LayerSources":{"x":{"size":1,"Size":2}},"x":1,"x":2}]`},
	} {
		for _, text := range texts {
			if err := documents[kind](text); err != nil {
				t.Errorf("%s %.200s: %v", kind, text, err)
			}
		}
	}
}

// TestNoDocument: what is no JSON, or of other types, is refused.
func TestNoDocument(t *testing.T) {
	for _, text := range []string{
		"", " ", "{", "[]", "null", "1", `"a"`, `{}{}`, `{"schemaVersion":2}x`, "\xef\xbb\xbf{}", `{"schemaVersion":"2"}`,
		`{"schemaVersion":2,"layers":{}}`, `{"schemaVersion":2,"layers":[[` + aLayer + `]]}`, `{"schemaVersion":2,"layers":["` + aLayer[1:] + `]}`,
		`{"schemaVersion":2,"layers":[null]}`, `{"schemaVersion":2,"config":[` + aConfig + `]}`,
		fmt.Sprintf(manifestOf, `,"x":`+strings.Repeat("[", maxNesting)+strings.Repeat("]", maxNesting)),
		fmt.Sprintf(manifestOf, `,"x":`+strings.Repeat(`{"a":`, 200_000)+"1"+strings.Repeat("}", 200_000)),
	} {
		if err := documents["manifest"](text); !corrupt.Is(err) {
			t.Errorf("%.100s: %v", text, err)
		}
	}
	for kind, text := range map[string]string{"index": `{"manifests":{}}`, "config": `{"rootfs":[]}`, "saved": `{}`} {
		if err := documents[kind](text); !corrupt.Is(err) {
			t.Errorf("%s %s: %v", kind, text, err)
		}
	}
	deep := fmt.Sprintf(manifestOf, `,"x":"`+strings.Repeat("[", 500)+`","y":`+strings.Repeat("[", maxNesting-1)+strings.Repeat("]", maxNesting-1))
	if err := documents["manifest"](deep); err != nil {
		t.Errorf("not too deep: %v", err)
	}
}

// TestMediaTypes: a document must be what the descriptor says that refers to it.
func TestMediaTypes(t *testing.T) {
	for own, ok := range map[string]bool{"": true, v1.MediaTypeImageManifest: true, DockerManifest: false, v1.MediaTypeImageIndex: false, "x": false} {
		text := strings.Replace(fmt.Sprintf(manifestOf, ""), v1.MediaTypeImageManifest, own, 1)
		_, err := ParseAs(v1.Descriptor{MediaType: v1.MediaTypeImageManifest}, []byte(text))
		if ok != (err == nil) || !ok && (!corrupt.Is(err) || !strings.Contains(err.Error(), "mediaType")) {
			t.Errorf("manifest of type %q: %v", own, err)
		}
	}
	for own, ok := range map[string]bool{"": true, v1.MediaTypeImageIndex: true, DockerManifestList: false, v1.MediaTypeImageManifest: false} {
		text := strings.Replace(fmt.Sprintf(indexOf, ""), v1.MediaTypeImageIndex, own, 1)
		_, err := ParseIndex([]byte(text), v1.MediaTypeImageIndex)
		if ok != (err == nil) || !ok && (!corrupt.Is(err) || !strings.Contains(err.Error(), "mediaType")) {
			t.Errorf("index of type %q: %v", own, err)
		}
	}
}

// TestStored: what was accepted before is read by its exact keys, the last of each, and
// what is odd of it is told.
func TestStored(t *testing.T) {
	text := fmt.Sprintf(manifestOf, `,"layers":[`+aConfig+`],"Layers":[]`)
	m, odd, err := ParseStored([]byte(text))
	if err != nil || odd == nil || len(m.Layers) != 1 || m.Layers[0].Size != 5 || m.Layers[0].MediaType != v1.MediaTypeImageConfig {
		t.Errorf("%+v, %v, %v", m.Layers, odd, err)
	}
	if _, odd, err := ParseStored([]byte(fmt.Sprintf(manifestOf, ""))); odd != nil || err != nil {
		t.Errorf("%v, %v", odd, err)
	}
	c, odd, err := ParseStoredConfig([]byte(fmt.Sprintf(configOf, `,"os":"plan9","OS":"x"`)))
	if err != nil || odd == nil || c.Platform.OS != "plan9" || c.Labels["a"] != "1" || len(c.DiffIDs) != 1 {
		t.Errorf("%+v, %v, %v", c, odd, err)
	}
}

// TestReferences: whatever a document can be taken to refer to is told.
func TestReferences(t *testing.T) {
	text := `{"layers":[{"digest":` + one + `}],"Layers":[{"digest":` + two + `}],"config":{"digest":"c"},"manifests":[{"digest":"m"}]}`
	got := map[string]bool{}
	for _, d := range References([]byte(text)) {
		got[string(d.Digest)] = true
	}
	for _, want := range []string{strings.Trim(one, `"`), strings.Trim(two, `"`), "c", "m"} {
		if !got[want] {
			t.Errorf("%s is missing: %v", want, got)
		}
	}
	if got := References([]byte("[")); got != nil {
		t.Errorf("of no JSON: %v", got)
	}
}

// exactly is a reader of JSON that is written for the test alone: objects are maps by
// their exact keys; it reports whether one that is looked into, as the path says, has a key
// twice.
func exactly(in *json.Decoder) (value any, twice bool) {
	token, err := in.Token()
	if err != nil {
		return nil, true
	}
	switch token {
	case json.Delim('{'):
		object := map[string]any{}
		for in.More() {
			key, _ := in.Token()
			_, again := object[key.(string)]
			value, below := exactly(in)
			object[key.(string)] = value
			twice = twice || again || below
		}
		in.Token()
		return object, twice
	case json.Delim('['):
		list := []any{}
		for in.More() {
			value, below := exactly(in)
			list, twice = append(list, value), twice || below
		}
		in.Token()
		return list, twice
	}
	return token, false
}

// descriptorsOf returns what digests and sizes an exact reading finds in a value.
func descriptorsOf(values ...any) (list []string) {
	for _, v := range values {
		object, _ := v.(map[string]any)
		digest, _ := object["digest"].(string)
		mediaType, _ := object["mediaType"].(string)
		size := "0"
		if n, ok := object["size"].(json.Number); ok {
			size = n.String()
		}
		list = append(list, digest+" "+mediaType+" "+strings.TrimPrefix(size, "-"))
	}
	return list
}

func describeAll(list ...v1.Descriptor) (texts []string) {
	for _, d := range list {
		texts = append(texts, fmt.Sprint(d.Digest, " ", d.MediaType, " ", d.Size))
	}
	return texts
}

// FuzzDocument: what is accepted is what a reader of exact keys reads that refuses keys
// which stand there twice, or at least would if it did not look into users' keys; and what
// encoding/json reads, which ignores case.
func FuzzDocument(f *testing.F) {
	for _, text := range []string{manifestOf, configOf, indexOf} {
		for _, more := range []string{"", `,"layers":[]`, `,"Layers":[]`, `,"x":1,"x":2`, `,"annotations":{"a":"b","a":"c"}`, `,"manifests":null`} {
			f.Add([]byte(fmt.Sprintf(text, more)))
		}
	}
	for _, text := range wild.Documents() {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if !json.Valid(text) {
			for kind, parse := range documents {
				if parse(string(text)) == nil {
					t.Errorf("%s: what is no JSON is accepted", kind)
				}
			}
			return
		}
		in := json.NewDecoder(bytes.NewReader(text))
		in.UseNumber()
		value, twice := exactly(in)
		object, _ := value.(map[string]any)
		if m, err := Parse(text); err == nil {
			layers, _ := object["layers"].([]any)
			if diff := cmp.Diff(descriptorsOf(append(layers, object["config"])...), describeAll(append(m.Layers, m.Config)...)); diff != "" {
				t.Errorf("manifest (-exact +ours):\n%s", diff)
			}
			var folded v1.Manifest
			if err := json.Unmarshal(text, &folded); !twice && (err != nil || !cmp.Equal(folded, m)) {
				t.Errorf("encoding/json: %v\n%s", err, cmp.Diff(folded, m))
			}
		}
		if index, err := ParseIndex(text, ""); err == nil {
			manifests, _ := object["manifests"].([]any)
			if diff := cmp.Diff(descriptorsOf(manifests...), describeAll(index.Manifests...)); diff != "" {
				t.Errorf("index (-exact +ours):\n%s", diff)
			}
		}
		if c, err := ParseConfig(text); err == nil {
			rootfs, _ := object["rootfs"].(map[string]any)
			ids, _ := rootfs["diff_ids"].([]any)
			var want []digest.Digest
			for _, id := range ids {
				want = append(want, digest.Digest(id.(string)))
			}
			if os, _ := object["os"].(string); os != c.Platform.OS || !cmp.Equal(want, c.DiffIDs) && len(want)+len(c.DiffIDs) > 0 {
				t.Errorf("config: %q %v, exact keys say %q %v", c.Platform.OS, c.DiffIDs, os, want)
			}
		}
		TypeOf(text)
		References(text)
	})
}
