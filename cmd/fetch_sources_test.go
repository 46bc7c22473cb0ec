package cmd

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/registrytest"
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
