package manifest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
)

func TestReferrersTag(t *testing.T) {
	hex := strings.Repeat("ab", 64)
	for d, want := range map[digest.Digest]string{
		digest.Digest("sha256:" + hex[:64]):                        "sha256-" + hex[:64],
		digest.Digest("sha512:" + hex):                             "sha512-" + hex[:64],
		digest.Digest("a+b.c_" + strings.Repeat("x", 40) + ":q=/"): "a-b.c_" + strings.Repeat("x", 26) + "-q--",
	} {
		if got := ReferrersTag(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}

// TestFindReferrers: entries of the layout count, and those of the index with the tag's name, if
// their type fits or is not said.
func TestFindReferrers(t *testing.T) {
	subject := digest.FromString("subject")
	typed := func(text, artifactType string) string {
		return descriptor(v1.MediaTypeImageManifest, text, fmt.Sprintf(`,"artifactType":%q`, artifactType))
	}
	named := func(name string) string { return fmt.Sprintf(`,"annotations":{%q:%q}`, v1.AnnotationRefName, name) }
	tagged := `{"schemaVersion":2,"manifests":[` + typed("b", SignatureArtifact) + "," + typed("c", SignatureArtifact) + `]}`
	other := `{"schemaVersion":2,"manifests":[` + typed("e", SignatureArtifact) + `]}`
	l := layout(t, `{"schemaVersion":2,"manifests":[`+strings.Join([]string{
		descriptor(v1.MediaTypeImageManifest, "subject", ""), descriptor(v1.MediaTypeImageManifest, "a", ""),
		typed("b", SignatureArtifact), typed("d", "application/spdx"), descriptor(v1.MediaTypeImageIndex, "index", ""),
		descriptor(v1.MediaTypeImageIndex, tagged, named(ReferrersTag(subject))),
		descriptor(v1.MediaTypeImageIndex, other, named(ReferrersTag(digest.FromString("x")))),
	}, ",")+`]}`, tagged, other)
	list, err := l.Referrers(subject)
	var got []string
	for _, d := range list {
		for _, text := range []string{"subject", "a", "b", "c", "d", "e"} {
			if digest.FromString(text) == d.Digest {
				got = append(got, text)
			}
		}
	}
	if err != nil || !slices.Equal(got, []string{"a", "b", "c"}) || len(list) != 3 {
		t.Errorf("%q, %v", got, err)
	}
}

func TestCheckSignatures(t *testing.T) {
	layers := func(n int, size int64) v1.Manifest {
		return v1.Manifest{Layers: slices.Repeat([]v1.Descriptor{{Size: size}}, n)}
	}
	if err := errors.Join(CheckSignatures(layers(64, 16128)), CheckSignatures(layers(0, 0))); err != nil {
		t.Error(err)
	}
	for _, m := range []v1.Manifest{layers(65, 1), layers(1, 16129)} {
		if err := CheckSignatures(m); !corrupt.Is(err) {
			t.Error(err)
		}
	}
}

// FuzzFindReferrers: whatever an index.json lists, what is found has the type of a manifest and
// is not the subject.
func FuzzFindReferrers(f *testing.F) {
	subject := digest.FromString("subject")
	f.Add([]byte(indexSeed(`"sha256:` + strings.Repeat("0", 64) + `"`)))
	f.Add([]byte(strings.Replace(indexSeed(`"`+subject.String()+`"`), `"a"`, `"`+ReferrersTag(subject)+`"`, 1)))
	f.Add([]byte(strings.Replace(strings.Replace(indexSeed(`"sha256:0"`), `"a"`, `"`+ReferrersTag(subject)+`"`, 1), "manifest.v1", "index.v1", 1)))
	f.Add([]byte("[]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := FindReferrers(text, subject, func(v1.Descriptor) ([]byte, error) { return text, nil })
		if err != nil {
			return
		}
		for _, d := range list {
			if d.Digest == subject || d.MediaType != v1.MediaTypeImageManifest {
				t.Errorf("found %+v", d)
			}
		}
	})
}

// TestAddToIndex: what an index does not have yet is added, once, and all else stays.
func TestAddToIndex(t *testing.T) {
	d := func(text string) v1.Descriptor {
		return v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: digest.FromString(text), Size: 1, Annotations: map[string]string{"a": text}}
	}
	text, err := AddToIndex(nil, []v1.Descriptor{d("a"), d("a")})
	if err != nil {
		t.Fatal(err)
	}
	if again, err := AddToIndex(text, []v1.Descriptor{d("a")}); err != nil || string(again) != string(text) {
		t.Errorf("%s, %v", again, err)
	}
	more := strings.Replace(string(text), `"schemaVersion"`, `"x":{"y":1},"schemaVersion"`, 1)
	got, err := AddToIndex([]byte(more), []v1.Descriptor{d("a"), d("b")})
	index, parseErr := ParseIndex(got, "")
	if err := errors.Join(err, parseErr); err != nil || len(index.Manifests) != 2 || index.Manifests[1].Annotations["a"] != "b" || !strings.Contains(string(got), `"x":{"y":1}`) {
		t.Errorf("%s, %v", got, err)
	}
	for _, bad := range []string{"{", `{"manifests":{}}`, `{"manifests":[],"Manifests":[]}`, `{"layers":[]}`} {
		if got, err := AddToIndex([]byte(bad), []v1.Descriptor{d("a")}); !corrupt.Is(err) {
			t.Errorf("%s became %s, %v", bad, got, err)
		}
	}
}

// FuzzAddToIndex: an index that was added to is an index, and has what was added.
func FuzzAddToIndex(f *testing.F) {
	f.Add([]byte(indexSeed(`"sha256:` + strings.Repeat("0", 64) + `"`)))
	f.Add([]byte(`{"schemaVersion":2,"manifests":null}`))
	f.Add([]byte(`{"manifests":[{}],"x":1}`))
	f.Add([]byte{})
	d := v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: digest.FromString("a"), Size: 1}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := AddToIndex(text, []v1.Descriptor{d})
		if err != nil {
			return
		}
		index, err := ParseIndex(got, "")
		if err != nil || !slices.ContainsFunc(index.Manifests, func(e v1.Descriptor) bool { return e.Digest == d.Digest }) {
			t.Errorf("%s became %s, %v", text, got, err)
		}
	})
}
