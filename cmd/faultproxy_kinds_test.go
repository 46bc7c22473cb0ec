package cmd

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
)

// These tests try the proxy by a client that is not ours.

// randomImage writes a layout of layers that do not compress.
func randomImage(t testing.TB, seed uint64, sizes ...int) (dir string) {
	t.Helper()
	dir = cmdtest.Scratch(t)
	imagetest.Make(t, dir, imagetest.NoiseLayers(t, seed, sizes...)...)
	return dir
}

// response is an answer with its body read, as far as it came.
type response struct {
	*http.Response
	body []byte
	err  error
}

func do(t testing.TB, q *http.Request) response {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	got, err := client.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	return response{got, body, err}
}

// getBlob asks for a blob, from an offset if that is not 0.
func getBlob(t testing.TB, addr, blob string, offset int) response {
	t.Helper()
	q, err := http.NewRequest(http.MethodGet, "http://"+addr+"/v2/image/blobs/"+blob, nil)
	if err != nil {
		t.Fatal(err)
	}
	if offset > 0 {
		q.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	return do(t, q)
}

func TestFaultKinds(t *testing.T) {
	t.Parallel()
	r := debianOpen(t)
	layout := randomImage(t, 2, 300_000)
	r.push(t, layout, "image:1")
	blob, want := onlyLayer(t, layout)
	flipped := bytes.Clone(want)
	flipped[200_000] ^= 0x55
	size := len(want)
	for _, c := range []struct {
		name   string
		fault  fault
		offset int
		status int
		body   []byte
		cut    bool
		tally  traffic
	}{
		{"pass", pass, 0, 200, want, false, traffic{}},
		{"pass", pass, 1000, 206, want[1000:], false, traffic{}},
		{"cut", breaks(endCut, 70_000), 0, 200, want[:70_000], true, traffic{cuts: 1}},
		{"cut", breaks(endCut, 70_000), 1000, 206, want[1000:71_000], true, traffic{cuts: 1}},
		{"reset", breaks(endReset, 70_000), 0, 200, want[:70_000], true, traffic{cuts: 1}},
		{"truncated", truncates(70_000), 0, 200, want[:70_000], false, traffic{lies: 1}},
		{"lengthened", lengthens(3), 0, 200, append(bytes.Clone(want), 0, 0, 0), false, traffic{lies: 1}},
		{"wrong byte", flips(200_000), 0, 200, flipped, false, traffic{lies: 1}},
		{"ignored range", ignoresRange, 1000, 200, want, false, traffic{lies: 1}},
		{"wrong offset", wrongOffset(500, false), 1000, 206, want[1500:], false, traffic{lies: 1}},
		{"wrong offset, denied", wrongOffset(500, true), 1000, 206, want[1500:], false, traffic{lies: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newFaultProxy(t, r)
			p.fault = once(c.fault)
			got := getBlob(t, p.addr, blob, c.offset)
			if got.StatusCode != c.status || !bytes.Equal(got.body, c.body) || (got.err != nil) != c.cut {
				t.Errorf("%s, %d bytes, %v; want %d, %d bytes", got.Status, len(got.body), got.err, c.status, len(c.body))
			}
			c.tally.requests, c.tally.delivered = 1, int64(len(c.body))
			// The last piece is counted a moment after it has come.
			for n := 0; p.of(blob) != c.tally && n < 1000; n++ {
				time.Sleep(time.Millisecond)
			}
			if p.of(blob) != c.tally {
				t.Errorf("the proxy counted %+v, want %+v", p.of(blob), c.tally)
			}
			if again := getBlob(t, p.addr, blob, 0); !bytes.Equal(again.body, want) || len(again.body) != size {
				t.Errorf("the second time: %s, %d bytes, %v", again.Status, len(again.body), again.err)
			}
		})
	}
}

// onlyLayer returns the layer of an image of one.
func onlyLayer(t testing.TB, layout string) (blob string, data []byte) {
	t.Helper()
	layers := imagetest.Manifest(t, layout).Layers
	if len(layers) != 1 {
		t.Fatalf("%d layers, want 1", len(layers))
	}
	return layers[0].Digest.String(), imagetest.Blob(t, layout, layers[0].Digest)
}

func TestStatusesAndRedirects(t *testing.T) {
	t.Parallel()
	r := inProcess(t)
	layout := randomImage(t, 3, 3000)
	r.push(t, layout, "image:1")
	blob, want := onlyLayer(t, layout)
	p := newFaultProxy(t, r)
	p.fault = once(says(http.StatusTooManyRequests, "Retry-After", "7"))
	if got := getBlob(t, p.addr, blob, 0); got.StatusCode != 429 || got.Header.Get("Retry-After") != "7" || p.of(blob).delivered != 0 {
		t.Errorf("%s %v, %+v", got.Status, got.Header, p.of(blob))
	}
	other := newElsewhere(t, layout)
	p.fault, other.refused = other.redirect, 1
	if got := getBlob(t, p.addr, blob, 0); got.StatusCode != http.StatusForbidden {
		t.Errorf("an expired address: %s", got.Status)
	}
	if got := getBlob(t, p.addr, blob, 10); got.StatusCode != http.StatusPartialContent || !bytes.Equal(got.body, want[10:]) {
		t.Errorf("redirected: %s, %d bytes", got.Status, len(got.body))
	}
	if seen := other.seen(); len(seen) != 2 || seen[1].Header.Get("Range") != "bytes=10-" {
		t.Errorf("elsewhere saw %v", seen)
	}
}

func request(t testing.TB, url string, headers ...string) *http.Request {
	t.Helper()
	q, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
	}
	return q
}
