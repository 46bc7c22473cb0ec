package cmd

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/registrytest"
)

// smallImage adds an image for a platform to a layout, with a file that says so.
func smallImage(t *testing.T, l imagetest.Layout, p v1.Platform) v1.Descriptor {
	t.Helper()
	data := imagetest.Tar(t, imagetest.File("platform", p.OS+"/"+p.Architecture+"/"+p.Variant))
	d := l.Manifest(l.Config(p, data), "", l.Blob(v1.MediaTypeImageLayer, data))
	d.Platform = &p
	return d
}

// customImage pushes what make adds to a layout.
func customImage(t *testing.T, make func(l imagetest.Layout) v1.Descriptor) *fetching {
	t.Helper()
	r, dir := registrytest.InProcess(t), t.TempDir()
	l := imagetest.NewLayout(t, dir)
	l.Finish(make(l))
	r.Push(t, dir, "some/image:1")
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
	f := customImage(t, func(l imagetest.Layout) v1.Descriptor {
		for _, p := range platforms {
			images = append(images, smallImage(t, l, p))
		}
		return l.Index(images[0], l.Index(images[1], l.Index(images[2:]...)))
	})
	for i, p := range platforms {
		name := strings.TrimSuffix(p.OS+"/"+p.Architecture+"/"+p.Variant, "/")
		got := f.must(f.code + " --platform=" + name)
		if want := "manifest " + images[i].Digest.String() + " "; !strings.Contains(got, want) {
			t.Errorf("%s: records\n%s\nwant %s", name, got, want)
		}
		if (runtime.GOARCH == p.Architecture) && p.Variant == "" {
			if host := f.must(f.code); sortedLines(whole(host)) != sortedLines(whole(got)) {
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
	f := customImage(t, func(l imagetest.Layout) v1.Descriptor {
		d := smallImage(t, l, imagetest.HostPlatform())
		for range 200 {
			d = l.Index(d)
		}
		return d
	})
	r := f.run(f.code)
	if r.Status != 0 {
		wantError(t, r, r.Status, "index")
	}
}

// TestFetchByDigest: a tag, the digest of the index and that of the manifest lead to
// the same image.
func TestFetchByDigest(t *testing.T) {
	t.Parallel()
	var image v1.Descriptor
	f := customImage(t, func(l imagetest.Layout) v1.Descriptor {
		image = smallImage(t, l, imagetest.HostPlatform())
		return l.Index(image)
	})
	for _, ref := range []string{":1", "@" + image.Digest.String(), "@" + imagetest.Top(t, f.layout).Digest.String(), ":1@" + image.Digest.String()} {
		r := f.run(strings.Replace(f.code, "some/image:1", "some/image"+ref, 1))
		if strings.HasPrefix(ref, ":1@") && r.Status == 2 {
			continue // as skopeo does
		}
		if r.Status != 0 || !strings.Contains(r.Stdout, "manifest "+image.Digest.String()+" ") {
			t.Errorf("%s: exit status %d\n%s%s", ref, r.Status, r.Stdout, r.Stderr)
		}
	}
	f.fails(3, strings.Replace(f.code, "image:1", "image@sha256:"+strings.Repeat("1", 64), 1), "sha256:1111")
	f.fails(2, strings.Replace(f.code, "image:1", "image@sha256:1", 1), "sha256:1")
	f.fails(2, strings.Replace(f.code, "some/image:1", "Some/Image:1", 1), "Some/Image")
}

// TestFetchLatest: without a tag it is "latest".
func TestFetchLatest(t *testing.T) {
	t.Parallel()
	r := registrytest.InProcess(t)
	layout := randomImage(t, 20, 2000)
	r.Push(t, layout, "some/image:latest")
	fetchingOf(t, r, layout, "some/image").succeeds()
}

// TestFetchArtifact: an artifact has blobs of any type, and no diff IDs.
func TestFetchArtifact(t *testing.T) {
	t.Parallel()
	var layers []v1.Descriptor
	f := customImage(t, func(l imagetest.Layout) v1.Descriptor {
		layers = []v1.Descriptor{l.Blob("application/x-one", []byte(imagetest.Text(1, 5000))), l.Blob("text/plain; charset=utf-8", []byte("two"))}
		return l.Manifest(l.Blob(v1.MediaTypeEmptyJSON, []byte("{}")), "application/x-test", layers...)
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
	r := registrytest.InProcess(t)
	for _, mediaType := range []string{"application/vnd.docker.distribution.manifest.v1+prettyjws", "application/vnd.docker.distribution.manifest.v1+json"} {
		text := `{"schemaVersion": 1, "name": "some/old", "tag": "1", "architecture": "amd64", "fsLayers": [{"blobSum": "` + digest.FromString("x").String() + `"}], "history": [{"v1Compatibility": "{}"}]}`
		r.PutManifest(t, "some/old:1", mediaType, text)
		newHome(t).fails(1, "cfs-fetch --tls-verify=false --spool=spool "+r.Source("some/old:1"), "schema 1")
	}
}

// TestFetchForeignLayers: a layer that its registry may not hand out, and does not have, is
// refused, if the manifest does not say where it is.
func TestFetchForeignLayers(t *testing.T) {
	t.Parallel()
	for _, mediaType := range []string{"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"} {
		r, dir := registrytest.InProcess(t), t.TempDir()
		l := imagetest.NewLayout(t, dir)
		data := []byte("it is elsewhere")
		missing := v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
		l.Finish(l.Manifest(l.Config(imagetest.HostPlatform(), data), "", missing))
		// Who pushes leaves such layers out.
		r.Push(t, dir, "some/foreign:1")
		h := newHome(t)
		got := h.run("cfs-fetch --tls-verify=false --spool=spool " + r.Source("some/foreign:1"))
		if got.Status != 1 && got.Status != 3 {
			t.Errorf("exit status %d, want 1 or 3", got.Status)
		}
		wantError(t, got, got.Status, missing.Digest.String(), "foreign")
	}
}

// TestFetchBadManifests: what a registry says is not believed.
func TestFetchBadManifests(t *testing.T) {
	t.Parallel()
	r := registrytest.InProcess(t)
	valid := digest.FromString("x").String()
	for name, text := range map[string]string{
		"empty":      ``,
		"no-json":    `{"schemaVersion": 2`,
		"list":       `[]`,
		"no-config":  `{"schemaVersion": 2, "layers": []}`,
		"bad-digest": `{"schemaVersion": 2, "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "sha256:../../x", "size": 2}, "layers": []}`,
		"negative":   `{"schemaVersion": 2, "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "` + valid + `", "size": -2}, "layers": []}`,
	} {
		r.PutManifest(t, "some/"+name+":1", v1.MediaTypeImageManifest, text)
		h := newHome(t)
		h.fails(4, "cfs-fetch --tls-verify=false --retry-times=1 --spool=spool "+r.Source("some/"+name+":1"), "manifest")
	}
	// A config that claims to be larger than anybody's memory.
	huge := fmt.Sprintf(`{"schemaVersion": 2, "config": {"mediaType": %q, "digest": %q, "size": %d}, "layers": []}`, v1.MediaTypeImageConfig, valid, int64(1)<<50)
	r.PutManifest(t, "some/huge:1", v1.MediaTypeImageManifest, huge)
	got := newHome(t).run("ulimit -v 8000000; cfs-fetch --tls-verify=false --retry-times=1 --spool=spool " + r.Source("some/huge:1"))
	if got.Status == 0 {
		t.Error("a config of 1 PiB was fetched")
	}
	wantError(t, got, got.Status, valid)
}

// TestFetchMultiMember: a layer of many gzip members, as eStargz has them, with an empty
// one at its end.
func TestFetchMultiMember(t *testing.T) {
	t.Parallel()
	f := customImage(t, func(l imagetest.Layout) v1.Descriptor {
		data := imagetest.ManyFiles(t)[0]
		var b bytes.Buffer
		for part := range slices.Chunk(data, 10_000) {
			b.Write(imagetest.Gzip(t, part))
		}
		w := gzip.NewWriter(&b)
		w.Extra = []byte("SG\x16\x000000000000000000STARGZ") // the footer of eStargz
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return l.Manifest(l.Config(imagetest.HostPlatform(), data), "", l.Blob(v1.MediaTypeImageLayerGzip, b.Bytes()))
	})
	f.must(strings.Replace(f.code, "cfs-fetch", "cfs-pull --init --insecure", 1) + " " + tagName)
	diffID := digest.FromBytes(imagetest.ManyFiles(t)[0])
	if err := os.WriteFile(filepath.Join(f.dir, "want"), imagetest.ManyFiles(t)[0], 0o600); err != nil {
		t.Fatal(err)
	}
	f.must("cfs-import cat " + diffID.String() + " | cmp - want")
}
