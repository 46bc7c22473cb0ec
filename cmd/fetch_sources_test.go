package cmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/faultproxy"
	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/registrytest"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestSources: one image gives the same files, layer by layer, wherever it is and in
// whatever form.
func TestSources(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	r, h := registrytest.DebianOpen(t), newHome(t)
	layers := imagetest.SmallLayers(t)
	imagetest.MakeGzip(t, h.dir+"/layout", layers...)
	r.Push(t, h.dir+"/layout", "pushed/oras:1")
	const same = "--preserve-digests"
	images := map[string][]string{}
	for _, c := range []struct {
		source, from, options string // how skopeo makes it; "" for what is there
	}{
		{"oci:layout", "", ""},
		{r.Source("pushed/oras:1"), "", ""},
		{r.Source("pushed/skopeo:1"), "oci:layout", same},
		{r.Source("pushed/v2s2:1"), "oci:layout", "--format v2s2"},
		{"oci:zstd:1", "oci:layout", "--dest-compress-format zstd"},
		{r.Source("pushed/zstd:1"), "oci:zstd:1", same},
		{"oci:chunked:1", "oci:layout", "--dest-compress-format zstd:chunked"},
		{r.Source("pushed/chunked:1"), "oci:chunked:1", same},
		{"oci-archive:archive.tar:some/image:1", "oci:layout", ""},
		{"oci-archive:digests.tar", "oci:zstd:1", same},
		{"docker-archive:docker.tar:some/image:1", "oci:layout", ""},
		{"dir:folder", "oci:layout", ""},
		{"dir:zstdfolder", "oci:zstd:1", same},
		{"dir:unpacked", "oci:layout", "--dest-decompress"},
		{"dir:dockerfolder", "oci:layout", "--format v2s2"},
	} {
		t.Run(strings.Replace(c.source, r.Addr, "REGISTRY", 1), func(t *testing.T) {
			h := *h
			h.t = t
			if c.from != "" {
				skopeo(t, &h, "copy -q --src-tls-verify=false --dest-tls-verify=false "+c.options+" "+c.from+" "+c.source)
				wantForm(t, &h, c.source)
			}
			diffIDs, image := pullAnew(t, &h, c.source)
			if diff := cmp.Diff(imageDiffIDs(layers), diffIDs); diff != "" {
				t.Errorf("diff IDs (-want +got):\n%s", diff)
			}
			images[image] = append(images[image], c.source)
			if _, err := os.Stat(h.dir + "/spool"); err == nil { // of what is local there is none
				wantEmptySpool(t, h.dir+"/spool")
			}
		})
	}
	if len(images) != 1 {
		t.Errorf("the EROFS images are not the same: %v", images)
	}
}

// pullAnew pulls into a new repository, and returns the diff IDs of the layers and the
// EROFS image.
func pullAnew(t *testing.T, h *home, source string) (diffIDs []string, image string) {
	t.Helper()
	repo := "$HOME/repo-" + digest.FromString(source).Encoded()[:8]
	records := h.must("cfs-pull --init --insecure --progress=none --tls-verify=false --repo=" + repo + " --spool=$HOME/spool " + source + " " + tagName)
	for line := range strings.Lines(records) {
		switch rec := parseRecord(t, line); rec.Kind {
		case "layer":
			diffIDs = append(diffIDs, rec.Get("diff-id"))
		case "image":
			image = rec.Digest
		}
	}
	h.must("cfs-gc check --content --repo=" + repo)
	return diffIDs, image
}

// wantForm checks that a copy by skopeo is in the form that its name says.
func wantForm(t *testing.T, h *home, source string) {
	t.Helper()
	for name, said := range map[string]string{"zstd:1": "tar+zstd", "chunked:1": "zstd-chunked", "v2s2:1": "docker.distribution.manifest.v2"} {
		if !strings.HasSuffix(source, name) {
			continue
		}
		if raw := h.must("skopeo inspect --raw --tls-verify=false " + source); !strings.Contains(raw, said) {
			t.Errorf("skopeo does not make %s: %s", said, raw)
		}
	}
}

func imageDiffIDs(layers [][]byte) (list []string) {
	for _, data := range layers {
		list = append(list, digest.FromBytes(data).String())
	}
	return list
}

// TestLocalSourcesStay: what lies in a local layout is named where it is, and stays.
func TestLocalSourcesStay(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	imagetest.Make(t, h.dir+"/layout", imagetest.NoiseLayers(t, 16, 20_000, 30_000)...)
	skopeo(t, h, "copy -q oci:layout dir:folder")
	for _, source := range []string{"oci:layout", "dir:folder"} {
		before := files(t, h.dir+"/"+strings.SplitN(source, ":", 2)[1])
		if records := h.must("cfs-fetch --spool=$HOME/spool " + source); strings.Contains(records, "spooled=") || strings.Contains(records, "/spool") {
			t.Errorf("%s: records\n%s", source, records)
		}
		h.must("cfs-pull --init --insecure --progress=none " + source + " " + tagName)
		if after := files(t, h.dir+"/"+strings.SplitN(source, ":", 2)[1]); fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("%s: a pull changed it", source)
		}
	}
}

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

// TestFetchCat: a blob of an image in a registry, verified.
func TestFetchCat(t *testing.T) {
	t.Parallel()
	f := newFetching(t, registrytest.DebianOpen(t), 300_000, 200_000)
	m, options := imagetest.Manifest(t, f.layout), "--tls-verify=false "
	for _, d := range append(m.Layers, m.Config, imagetest.Top(t, f.layout)) {
		if got := f.must("cfs-fetch cat " + options + f.source + " " + d.Digest.String()); digest.FromString(got) != d.Digest {
			t.Errorf("cat %s: %d bytes, want %d", d.Digest, len(got), d.Size)
		}
	}
	text := string(imagetest.Blob(t, f.layout, imagetest.Top(t, f.layout).Digest))
	if got := f.must("cfs-fetch inspect " + options + f.source); got != text {
		t.Errorf("inspect: %s, want %s", got, text)
	}
	if got := f.must("cfs-fetch inspect --config " + options + f.source); got != string(imagetest.Blob(t, f.layout, m.Config.Digest)) {
		t.Errorf("inspect --config: %s", got)
	}
	f.fails(3, "cfs-fetch cat "+options+f.source+" sha256:"+strings.Repeat("0", 64), "sha256:000")
	bad := m.Layers[0].Digest.String()
	f.proxy.Blobs = faultproxy.To(bad, faultproxy.Flips(1000))
	f.fails(4, "cfs-fetch cat "+options+f.source+" "+bad+" > /dev/null", bad)
	f.proxy.Blobs = faultproxy.Once(faultproxy.Breaks(faultproxy.Cut, 100_000))
	if got := f.must("cfs-fetch cat " + options + f.source + " " + m.Layers[1].Digest.String()); digest.FromString(got) != m.Layers[1].Digest {
		t.Errorf("cat over a cut: %d bytes", len(got))
	}
}
