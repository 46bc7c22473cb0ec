package cmd

import (
	"cfs/cmd/internal/imagetest"
	"fmt"
	"runtime"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// oddLayout makes a layout of what make adds, and returns a user and the command that
// fetches it.
func oddLayout(t *testing.T, make func(l imagetest.Layout) v1.Descriptor) (h *home, fetch string) {
	t.Helper()
	dir := t.TempDir()
	l := imagetest.NewLayout(t, dir)
	l.Finish(make(l))
	return newHome(t), "cfs-fetch --spool=spool oci:" + dir + " "
}

// TestFetchVariants: of an index comes what has no variant, and with --strict nothing, where
// cfsctl would take the first one.
func TestFetchVariants(t *testing.T) {
	t.Parallel()
	var plain v1.Descriptor
	h, fetch := oddLayout(t, func(l imagetest.Layout) v1.Descriptor {
		plain = smallImage(t, l, v1.Platform{OS: "linux", Architecture: "amd64"})
		return l.Index(smallImage(t, l, v1.Platform{OS: "linux", Architecture: "amd64", Variant: "v3"}), plain)
	})
	if got := h.must(fetch + "--platform=linux/amd64"); !strings.Contains(got, "manifest "+plain.Digest.String()) {
		t.Errorf("got\n%s\nwant the manifest %s", got, plain.Digest)
	}
	h.fails(1, fetch+"--platform=linux/amd64 --strict", "linux/amd64/v3", "--strict")
	h.must(fetch + "--platform=linux/amd64/v3 --strict")
}

// TestFetchUnasked: an image that is for another machine, or does not say for which, is taken
// with a warning if no platform is asked for.
func TestFetchUnasked(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		platform      v1.Platform
		warning, none string // for --platform
	}{
		{v1.Platform{OS: "plan9", Architecture: "mips"}, "it is for plan9/mips", "plan9/mips"},
		{v1.Platform{}, "its config names no platform", "its config names no platform"},
	} {
		h, fetch := oddLayout(t, func(l imagetest.Layout) v1.Descriptor {
			d := smallImage(t, l, v.platform)
			d.Platform = nil
			return d
		})
		r := h.run(fetch)
		if r.Status != 0 || !strings.Contains(r.Stderr, "warning: ") || !strings.Contains(r.Stderr, v.warning) || strings.Count(r.Stderr, "\n") != 1 {
			t.Errorf("exit status %d, %s", r.Status, r.Stderr)
		}
		h.fails(1, fetch+"--strict", "--strict")
		h.fails(3, fetch+"--platform=linux/"+runtime.GOARCH, strings.Replace(v.none, "its", "whose", 1))
	}
}

// TestFetchOddDocuments: what two tools would read as two images is refused, from layouts
// and registries, and the message names the key.
func TestFetchOddDocuments(t *testing.T) {
	t.Parallel()
	// edit returns a manifest like that of an image, with some bytes in place of others.
	edit := func(old, new string) func(l imagetest.Layout) v1.Descriptor {
		return func(l imagetest.Layout) v1.Descriptor {
			config := l.Config(imagetest.HostPlatform())
			text := fmt.Sprintf(`{"schemaVersion":2,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[]}`, config.MediaType, config.Digest, config.Size)
			return l.Blob(v1.MediaTypeImageManifest, []byte(strings.Replace(text, old, new, 1)))
		}
	}
	for key, make := range map[string]func(l imagetest.Layout) v1.Descriptor{
		"Layers":    edit(`"layers"`, `"Layers":[],"layers"`),
		"layers":    edit(`"layers"`, `"layers":[],"layers"`),
		"LAYERS":    edit(`"layers"`, `"LAYERS"`),
		"manifests": edit(`"layers"`, `"manifests":[],"layers"`),
		"digest":    edit(`"digest"`, `"digest":"x","digest"`),
		"mediaType": func(l imagetest.Layout) v1.Descriptor {
			d := smallImage(t, l, imagetest.HostPlatform())
			d.MediaType = "application/vnd.docker.distribution.manifest.v2+json"
			return d
		},
	} {
		h, fetch := oddLayout(t, make)
		h.fails(4, fetch, key, "sha256:")
		h.fails(4, fetch+"--strict", key)
		if key == "mediaType" {
			continue // a registry has it under no descriptor
		}
		f := customImage(t, make)
		f.fails(4, f.code, key, "sha256:")
	}
}
