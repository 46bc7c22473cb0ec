package cmd

import (
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"cfs/cmd/internal/faultproxy"
	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/registrytest"
)

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
