package cmd

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func hostPlatform() v1.Platform { return v1.Platform{OS: "linux", Architecture: runtime.GOARCH} }

// manifest adds one to a layout; artifactType is "" for a container image.
func (l layout) manifest(config v1.Descriptor, artifactType string, layers ...v1.Descriptor) v1.Descriptor {
	l.t.Helper()
	m := v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, ArtifactType: artifactType, Config: config, Layers: layers}
	return l.blob(v1.MediaTypeImageManifest, l.json(m))
}

// indexOf adds an index of manifests to a layout.
func (l layout) indexOf(manifests ...v1.Descriptor) v1.Descriptor {
	l.t.Helper()
	return l.blob(v1.MediaTypeImageIndex, l.json(v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, Manifests: manifests}))
}

// smallImage adds an image for a platform to a layout, with a file that says so.
func (l layout) smallImage(p v1.Platform) v1.Descriptor {
	l.t.Helper()
	b := newTarball(l.t)
	b.file("platform", p.OS+"/"+p.Architecture+"/"+p.Variant)
	data := b.bytes()
	config := l.blob(v1.MediaTypeImageConfig, l.json(v1.Image{Platform: p, RootFS: v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromBytes(data)}}}))
	d := l.manifest(config, "", l.blob(v1.MediaTypeImageLayer, data))
	d.Platform = &p
	return d
}

// customImage pushes what make adds to a layout.
func customImage(t *testing.T, make func(l layout) v1.Descriptor) *fetching {
	t.Helper()
	r, dir := inProcess(t), t.TempDir()
	l := layout{t, dir}
	l.finish(make(l))
	r.push(t, dir, "some/image:1")
	return fetchingOf(t, r, dir, "some/image:1")
}

// TestFetchPlatforms: of an index, also of one in another, comes what is for the
// platform, and an error lists which there are.
func TestFetchPlatforms(t *testing.T) {
	t.Parallel()
	platforms := []v1.Platform{
		{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"},
		{OS: "linux", Architecture: "arm", Variant: "v6"}, {OS: "linux", Architecture: "arm", Variant: "v7"},
		{OS: "linux", Architecture: "s390x"},
	}
	var images []v1.Descriptor
	f := customImage(t, func(l layout) v1.Descriptor {
		for _, p := range platforms {
			images = append(images, l.smallImage(p))
		}
		return l.indexOf(images[0], l.indexOf(images[1], l.indexOf(images[2:]...)))
	})
	for i, p := range platforms {
		name := strings.TrimSuffix(p.OS+"/"+p.Architecture+"/"+p.Variant, "/")
		got := f.must(f.code + " --platform=" + name)
		if want := "manifest " + images[i].Digest.String() + " "; !strings.Contains(got, want) {
			t.Errorf("%s: records\n%s\nwant %s", name, got, want)
		}
		if (runtime.GOARCH == p.Architecture) && p.Variant == "" {
			if host := f.must(f.code); sortedLines(host) != sortedLines(got) {
				t.Errorf("without --platform: records\n%s\nwant\n%s", host, got)
			}
		}
	}
	list := []string{"linux/amd64", "linux/arm64", "linux/arm/v6", "linux/arm/v7", "linux/s390x"}
	f.fails(3, f.code+" --platform=linux/riscv64", append(list, "linux/riscv64")...)
	f.fails(2, f.code+" --platform=linux", "linux")
}

// TestFetchIndexCircle: an index that leads into itself cannot be made, but one that is
// very deep can.
func TestFetchDeepIndex(t *testing.T) {
	t.Parallel()
	f := customImage(t, func(l layout) v1.Descriptor {
		d := l.smallImage(hostPlatform())
		for range 200 {
			d = l.indexOf(d)
		}
		return d
	})
	r := f.run(f.code)
	if r.status != 0 {
		wantError(t, r, r.status, "index")
	}
}

// TestFetchByDigest: a tag, the digest of the index and that of the manifest lead to
// the same image.
func TestFetchByDigest(t *testing.T) {
	t.Parallel()
	var image v1.Descriptor
	f := customImage(t, func(l layout) v1.Descriptor {
		image = l.smallImage(hostPlatform())
		return l.indexOf(image)
	})
	for _, ref := range []string{":1", "@" + image.Digest.String(), "@" + manifestOf(t, f.layout).Digest.String(), ":1@" + image.Digest.String()} {
		r := f.run(strings.Replace(f.code, "some/image:1", "some/image"+ref, 1))
		if strings.HasPrefix(ref, ":1@") && r.status == 2 {
			continue // as skopeo does
		}
		if r.status != 0 || !strings.Contains(r.stdout, "manifest "+image.Digest.String()+" ") {
			t.Errorf("%s: exit status %d\n%s%s", ref, r.status, r.stdout, r.stderr)
		}
	}
	f.fails(3, strings.Replace(f.code, "image:1", "image@sha256:"+strings.Repeat("1", 64), 1), "sha256:1111")
	f.fails(2, strings.Replace(f.code, "image:1", "image@sha256:1", 1), "sha256:1")
	f.fails(2, strings.Replace(f.code, "some/image:1", "Some/Image:1", 1), "Some/Image")
}

// TestFetchLatest: without a tag it is "latest".
func TestFetchLatest(t *testing.T) {
	t.Parallel()
	r := inProcess(t)
	layout := randomImage(t, 20, 2000)
	r.push(t, layout, "some/image:latest")
	fetchingOf(t, r, layout, "some/image").succeeds()
}

// TestFetchArtifact: an artifact has blobs of any type, and no diff IDs.
func TestFetchArtifact(t *testing.T) {
	t.Parallel()
	var layers []v1.Descriptor
	f := customImage(t, func(l layout) v1.Descriptor {
		layers = []v1.Descriptor{l.blob("application/x-one", []byte(content(1, 5000))), l.blob("text/plain; charset=utf-8", []byte("two"))}
		return l.manifest(l.blob(v1.MediaTypeEmptyJSON, []byte("{}")), "application/x-test", layers...)
	})
	records := f.must(f.code)
	for _, l := range layers {
		if !strings.Contains(records, "blob "+l.Digest.String()+" ") {
			t.Errorf("no blob %s:\n%s", l.Digest, records)
		}
	}
	if strings.Contains(records, "diff-id=") || strings.Contains(records, "layer ") {
		t.Errorf("records:\n%s", records)
	}
	f.must(strings.Replace(f.code, "cfs-fetch", "cfs-pull --init --insecure", 1) + " " + tagName)
	if got := f.must("cfs-link ls"); !strings.Contains(got, tagName) {
		t.Errorf("tags:\n%s", got)
	}
}

// TestFetchSchema1: the manifests of old are refused by their name.
func TestFetchSchema1(t *testing.T) {
	t.Parallel()
	r := inProcess(t)
	for _, mediaType := range []string{"application/vnd.docker.distribution.manifest.v1+prettyjws", "application/vnd.docker.distribution.manifest.v1+json"} {
		text := `{"schemaVersion": 1, "name": "some/old", "tag": "1", "architecture": "amd64", "fsLayers": [{"blobSum": "` + digest.FromString("x").String() + `"}], "history": [{"v1Compatibility": "{}"}]}`
		putManifest(t, r, "some/old:1", mediaType, text)
		newHome(t).fails(1, "cfs-fetch --tls-verify=false --spool=spool "+r.source("some/old:1"), "schema 1")
	}
}

// TestFetchForeignLayers: a layer that its registry may not hand out is refused, if the
// manifest does not say where it is.
func TestFetchForeignLayers(t *testing.T) {
	t.Parallel()
	for _, mediaType := range []string{"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"} {
		r, dir := inProcess(t), t.TempDir()
		l := layout{t, dir}
		missing := v1.Descriptor{MediaType: mediaType, Digest: digest.FromString("it is elsewhere"), Size: 15}
		config := v1.Image{Platform: hostPlatform(), RootFS: v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{missing.Digest}}}
		image := l.manifest(l.blob(v1.MediaTypeImageConfig, l.json(config)), "", missing)
		l.finish(image)
		// Who pushes leaves such layers out.
		r.push(t, dir, "some/foreign:1")
		h := newHome(t)
		got := h.run("cfs-fetch --tls-verify=false --spool=spool " + r.source("some/foreign:1"))
		if got.status != 1 && got.status != 3 {
			t.Errorf("exit status %d, want 1 or 3", got.status)
		}
		wantError(t, got, got.status, missing.Digest.String(), "foreign")
	}
}

// TestFetchBadManifests: what a registry says is not believed.
func TestFetchBadManifests(t *testing.T) {
	t.Parallel()
	r := inProcess(t)
	valid := digest.FromString("x").String()
	for name, text := range map[string]string{
		"empty":      ``,
		"no-json":    `{"schemaVersion": 2`,
		"list":       `[]`,
		"no-config":  `{"schemaVersion": 2, "layers": []}`,
		"bad-digest": `{"schemaVersion": 2, "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "sha256:../../x", "size": 2}, "layers": []}`,
		"negative":   `{"schemaVersion": 2, "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "` + valid + `", "size": -2}, "layers": []}`,
	} {
		putManifest(t, r, "some/"+name+":1", v1.MediaTypeImageManifest, text)
		h := newHome(t)
		h.fails(4, "cfs-fetch --tls-verify=false --retry-times=1 --spool=spool "+r.source("some/"+name+":1"), "manifest")
	}
	// A config that claims to be larger than anybody's memory.
	huge := fmt.Sprintf(`{"schemaVersion": 2, "config": {"mediaType": %q, "digest": %q, "size": %d}, "layers": []}`, v1.MediaTypeImageConfig, valid, int64(1)<<50)
	putManifest(t, r, "some/huge:1", v1.MediaTypeImageManifest, huge)
	got := newHome(t).run("ulimit -v 8000000; cfs-fetch --tls-verify=false --retry-times=1 --spool=spool " + r.source("some/huge:1"))
	if got.status == 0 {
		t.Error("a config of 1 PiB was fetched")
	}
	wantError(t, got, got.status, valid)
}
