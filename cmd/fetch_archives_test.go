package cmd

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/cmd/internal/imagetest"
)

// TestDockerArchiveManifest: the manifest that a docker-archive gets does not depend on
// when and where it is made, and is one of this image.
func TestDockerArchiveManifest(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	layers := imagetest.NoiseLayers(t, 17, 20_000, 30_000)
	imagetest.MakeGzip(t, h.dir+"/layout", layers...)
	skopeo(t, h, "copy -q oci:layout docker-archive:image.tar:some/image:1")
	first := h.must("cfs-fetch inspect docker-archive:image.tar")
	h.must("mkdir other && mv image.tar other/moved.tar && touch -d 2001-01-01 other/moved.tar")
	for _, source := range []string{"docker-archive:other/moved.tar", "docker-archive:other/moved.tar:some/image:1"} {
		if again := h.must("cfs-fetch inspect " + source); again != first {
			t.Errorf("%s\n%s\nwant\n%s", source, again, first)
		}
	}
	var m v1.Manifest
	if err := json.Unmarshal([]byte(first), &m); err != nil {
		t.Fatal(err)
	}
	for i, l := range m.Layers {
		if l.Digest != digest.FromBytes(layers[i]) || l.MediaType != v1.MediaTypeImageLayer || l.Size != int64(len(layers[i])) {
			t.Errorf("layer %d is %v", i, l)
		}
	}
	if m.MediaType != v1.MediaTypeImageManifest || m.Config.MediaType != v1.MediaTypeImageConfig || len(m.Layers) != len(layers) {
		t.Errorf("manifest %s", first)
	}
	h.fails(3, "cfs-fetch docker-archive:other/moved.tar:other/name:1", "other/name")
}

// TestSeveralInArchive: of an archive with several images one can be named.
func TestSeveralInArchive(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	imagetest.Make(t, h.dir+"/one", imagetest.NoiseLayers(t, 18, 2000)...)
	imagetest.Make(t, h.dir+"/two", imagetest.NoiseLayers(t, 19, 2000)...)
	skopeo(t, h, "copy -q oci:one oci:both:one && skopeo --insecure-policy copy -q oci:two oci:both:two && tar -C both -cf both.tar .")
	for ref, layout := range map[string]string{"one": "one", "two": "two"} {
		got := h.must("cfs-fetch --spool=$HOME/spool oci-archive:both.tar:" + ref)
		if want := imagetest.Manifest(t, h.dir+"/"+layout).Layers[0].Digest.String(); !strings.Contains(got, "layer "+want+" ") {
			t.Errorf("%s: records\n%s\nwant layer %s", ref, got, want)
		}
	}
	h.fails(3, "cfs-fetch oci-archive:both.tar:three", "three")
}

// TestBadArchives: what is no archive of an image is refused, and says why.
func TestBadArchives(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.write("empty", "")
	h.write("text", strings.Repeat("text", 1000))
	h.must("mkdir void && tar -cf void.tar void && head -c 700 void.tar > cut.tar")
	for _, kind := range []string{"oci-archive", "docker-archive"} {
		h.fails(3, "cfs-fetch "+kind+":missing.tar", "missing.tar")
		for _, name := range []string{"empty", "text", "void.tar", "cut.tar"} {
			r := h.run("cfs-fetch " + kind + ":" + name)
			if r.Status != 4 && r.Status != 1 && r.Status != 3 {
				t.Errorf("%s:%s: exit status %d\n%s", kind, name, r.Status, r.Stderr)
			}
			wantError(t, r, r.Status, name)
		}
	}
	h.fails(3, "cfs-fetch dir:missing", "missing")
	h.mkdir("nothing")
	h.fails(3, "cfs-fetch dir:nothing", "nothing")
}
