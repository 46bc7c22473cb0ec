package faultproxy

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/registrytest"
)

// These tests try the proxy by a client that is not ours.

func TestMain(m *testing.M) { cmdtest.Main(m) }

// oneLayer pushes an image of one layer, and returns the layer.
func oneLayer(t testing.TB, r *registrytest.Registry, size int) (layout, blob string, data []byte) {
	t.Helper()
	layout = cmdtest.Scratch(t)
	imagetest.Make(t, layout, imagetest.NoiseLayers(t, 2, size)...)
	r.Push(t, layout, "image:1")
	d := imagetest.Manifest(t, layout).Layers[0].Digest
	return layout, d.String(), imagetest.Blob(t, layout, d)
}

// getBlob asks for a blob, from an offset if that is not 0.
func getBlob(t testing.TB, p *Proxy, blob string, offset int) registrytest.Response {
	t.Helper()
	url := "http://" + p.Addr + "/v2/image/blobs/" + blob
	if offset > 0 {
		return registrytest.Get(t, url, "Range", fmt.Sprintf("bytes=%d-", offset))
	}
	return registrytest.Get(t, url)
}

func TestFaultKinds(t *testing.T) {
	t.Parallel()
	r := registrytest.DebianOpen(t)
	_, blob, want := oneLayer(t, r, 300_000)
	flipped := bytes.Clone(want)
	flipped[200_000] ^= 0x55
	size := len(want)
	for _, c := range []struct {
		name   string
		fault  Fault
		offset int
		status int
		body   []byte
		cut    bool
		tally  Traffic
	}{
		{"pass", Pass, 0, 200, want, false, Traffic{}},
		{"pass", Pass, 1000, 206, want[1000:], false, Traffic{}},
		{"cut", Breaks(Cut, 70_000), 0, 200, want[:70_000], true, Traffic{Cuts: 1}},
		{"cut", Breaks(Cut, 70_000), 1000, 206, want[1000:71_000], true, Traffic{Cuts: 1}},
		{"reset", Breaks(Reset, 70_000), 0, 200, want[:70_000], true, Traffic{Cuts: 1}},
		{"truncated", Truncates(70_000), 0, 200, want[:70_000], false, Traffic{Lies: 1}},
		{"lengthened", Lengthens(3), 0, 200, append(bytes.Clone(want), 0, 0, 0), false, Traffic{Lies: 1}},
		{"wrong byte", Flips(200_000), 0, 200, flipped, false, Traffic{Lies: 1}},
		{"ignored range", IgnoresRange, 1000, 200, want, false, Traffic{Lies: 1}},
		{"wrong offset", WrongOffset(500, false), 1000, 206, want[1500:], false, Traffic{Lies: 1}},
		{"wrong offset, denied", WrongOffset(500, true), 1000, 206, want[1500:], false, Traffic{Lies: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := New(t, r.Addr)
			p.Blobs = Once(c.fault)
			got := getBlob(t, p, blob, c.offset)
			if got.StatusCode != c.status || !bytes.Equal(got.Text, c.body) || (got.Err != nil) != c.cut {
				t.Errorf("%s, %d bytes, %v; want %d, %d bytes", got.Status, len(got.Text), got.Err, c.status, len(c.body))
			}
			c.tally.Requests, c.tally.Delivered = 1, int64(len(c.body))
			// The last piece is counted a moment after it has come.
			wait(func() bool { return p.Of(blob) == c.tally })
			if p.Of(blob) != c.tally {
				t.Errorf("the proxy counted %+v, want %+v", p.Of(blob), c.tally)
			}
			if again := getBlob(t, p, blob, 0); !bytes.Equal(again.Text, want) || len(again.Text) != size {
				t.Errorf("the second time: %s, %d bytes, %v", again.Status, len(again.Text), again.Err)
			}
		})
	}
}

func TestStatusesAndRedirects(t *testing.T) {
	t.Parallel()
	r := registrytest.InProcess(t)
	layout, blob, want := oneLayer(t, r, 3000)
	p := New(t, r.Addr)
	p.Blobs = Once(Says(http.StatusTooManyRequests, "Retry-After", "7"))
	if got := getBlob(t, p, blob, 0); got.StatusCode != 429 || got.Header.Get("Retry-After") != "7" || p.Of(blob).Delivered != 0 {
		t.Errorf("%s %v, %+v", got.Status, got.Header, p.Of(blob))
	}
	other := NewElsewhere(t, layout)
	p.Blobs = other.Redirect
	other.Refuse(1)
	if got := getBlob(t, p, blob, 0); got.StatusCode != http.StatusForbidden {
		t.Errorf("an expired address: %s", got.Status)
	}
	if got := getBlob(t, p, blob, 10); got.StatusCode != http.StatusPartialContent || !bytes.Equal(got.Text, want[10:]) {
		t.Errorf("redirected: %s, %d bytes", got.Status, len(got.Text))
	}
	if seen := other.Seen(); len(seen) != 2 || seen[1].Header.Get("Range") != "bytes=10-" {
		t.Errorf("elsewhere saw %v", seen)
	}
}
