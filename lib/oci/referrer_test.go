package oci_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
	"cfs/lib/oci"
	"cfs/lib/repo"
)

// TestReferrer: an artifact is stored with its blobs, belongs to an image, and is found so; what
// is no artifact of that image is refused.
func TestReferrer(t *testing.T) {
	r, _, image := one(t)
	subject := image.Manifest.Digest
	blob, err := oci.ImportBlob(t.Context(), r, strings.NewReader("signature"), oci.Source{Size: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Link(repo.Streams, oci.BlobName(blob.Digest), blob.Stream); err != nil {
		t.Fatal(err)
	}
	text := func(change func(*v1.Manifest)) []byte {
		m := v1.Manifest{Config: v1.DescriptorEmptyJSON, Subject: &v1.Descriptor{Digest: subject}, Layers: []v1.Descriptor{{Digest: blob.Digest, Size: blob.Size}}}
		m.SchemaVersion = 2
		change(&m)
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	artifact := text(func(*v1.Manifest) {})
	d := digest.FromBytes(artifact)
	l, err := oci.NewReferrer(d, subject, artifact)
	if err != nil {
		t.Fatal(err)
	}
	l.Streams[oci.Key(blob.Digest)] = blob.Stream
	for range 2 { // again, it changes nothing
		stored, err := l.Write(r)
		if err != nil || stored.Stream(oci.Key(blob.Digest)) != blob.Stream {
			t.Fatalf("%+v, %v", stored, err)
		}
		if err := oci.Refer(r, subject, d); err != nil {
			t.Fatal(err)
		}
	}
	link := r.Path + "/streams/refs/oci-referrers/" + subject.String() + "/" + d.String()
	if got, err := os.Readlink(link); err != nil || got != "../../../"+oci.ManifestName(d) {
		t.Errorf("%s leads to %q, %v", link, got, err)
	}
	for name, change := range map[string]func(*v1.Manifest){
		"no subject":      func(m *v1.Manifest) { m.Subject = nil },
		"another subject": func(m *v1.Manifest) { m.Subject.Digest = d },
		"another config":  func(m *v1.Manifest) { m.Config.Digest = d },
		"a container":     func(m *v1.Manifest) { m.Config.MediaType = v1.MediaTypeImageConfig; m.Layers = nil },
	} {
		text := text(change)
		if _, err := oci.NewReferrer(digest.FromBytes(text), subject, text); !corrupt.Is(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
