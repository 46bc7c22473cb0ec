package cmd

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/memory"
)

// These tests try what the tests of cfs-fetch stand on by clients that others wrote.

// randomLayers returns tars of a file each that does not compress.
func randomLayers(t testing.TB, seed uint64, sizes ...int) (layers [][]byte) {
	t.Helper()
	random := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	for i, size := range sizes {
		data := make([]byte, size)
		random.Read(data)
		b := newTarball(t)
		b.dir("usr")
		b.file(fmt.Sprintf("usr/random%d", i), string(data))
		layers = append(layers, b.bytes())
	}
	return layers
}

// randomImage writes a layout of randomLayers.
func randomImage(t testing.TB, seed uint64, sizes ...int) (dir string) {
	t.Helper()
	dir = scratch(t)
	makeLayout(t, dir, randomLayers(t, seed, sizes...)...)
	return dir
}

func TestRegistries(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(testing.TB) *registry{
		"in process": func(t testing.TB) *registry { return inProcess(t) },
		"open":       debianOpen,
		"htpasswd":   func(t testing.TB) *registry { return debianHtpasswd(t, newAuthority(t)) },
		"tokens": func(t testing.TB) *registry {
			r, _ := debianTokens(t)
			return r
		},
	} {
		t.Run(name, func(t *testing.T) {
			layout, r := randomImage(t, 1, 100_000, 200_000), start(t)
			r.push(t, layout, "some/image:1")
			repo := r.repository(t, "some/image")
			want := manifestOf(t, layout)
			got, err := oras.Copy(context.Background(), repo, "1", memory.New(), "1", oras.DefaultCopyOptions)
			if err != nil || got.Digest != want.Digest {
				t.Errorf("oras-go gets %s, want %s: %v", got.Digest, want.Digest, err)
			}
			flags := "--src-tls-verify=false"
			if r.authority != nil {
				flags = "--src-cert-dir " + r.authority.dir
			}
			if r.password != "" {
				flags += " --src-creds " + userName + ":" + r.password
				stranger := *r
				stranger.password = "wrong"
				if _, err := stranger.repository(t, "some/image").Resolve(context.Background(), "1"); err == nil {
					t.Error("a wrong password opens it")
				}
			}
			skopeo(t, newHome(t), "copy -q "+flags+" "+r.source("some/image:1")+" oci:out:1")
		})
	}
}

// TestTokenExpires: a token that has expired is refused, though clients were told of a
// longer life.
func TestTokenExpires(t *testing.T) {
	t.Parallel()
	r, s := debianTokens(t)
	for lifetime, want := range map[time.Duration]int{time.Minute: http.StatusOK, -2 * time.Second: http.StatusUnauthorized} {
		s.lifetime = lifetime
		q, _ := http.NewRequest(http.MethodGet, "http://"+r.addr+"/v2/", nil)
		q.Header.Set("Authorization", "Bearer "+s.token(nil))
		if got := do(t, q); got.StatusCode != want {
			t.Errorf("a token with %v to go: %s %s, want %d", lifetime, got.Status, got.body, want)
		}
	}
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
		{"truncated", truncates(70_000), 0, 200, want[:70_000], false, traffic{cuts: 1}},
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
	layers := imageOf(t, layout).Layers
	if len(layers) != 1 {
		t.Fatalf("%d layers, want 1", len(layers))
	}
	return layers[0].Digest.String(), blobOf(t, layout, layers[0].Digest)
}

func blobOf(t testing.TB, layout string, d digest.Digest) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(layout, "blobs/sha256", d.Encoded()))
	if err != nil {
		t.Fatal(err)
	}
	return data
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

// TestUnread: what a reader has not read of a connection is known.
func TestUnread(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	reader, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	writer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	for _, step := range []struct{ write, read, want int }{{5000, 0, 5000}, {0, 2000, 3000}, {0, 3000, 0}} {
		if _, err := writer.Write(make([]byte, step.write)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(reader, make([]byte, step.read)); err != nil {
			t.Fatal(err)
		}
		// What has arrived is known a moment later.
		for range 100 {
			if n, err := unread(writer); err != nil || n == int64(step.want) {
				break
			}
			time.Sleep(time.Millisecond)
		}
		if n, err := unread(writer); err != nil || n != int64(step.want) {
			t.Errorf("after %+v: %d, %v", step, n, err)
		}
	}
}

// TestRegistryProgram: what the demo pulls from serves the demo's image, and ends with
// its stdin.
func TestRegistryProgram(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "registry")
	if out, err := exec.Command("go", "build", "-o", program, "../testdata/registry").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c := exec.Command(program, "demo=../testdata/demo-image")
	stdin, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer c.Process.Kill()
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	r := &registry{addr: strings.TrimSpace(addr)}
	repo := r.repository(t, "demo")
	for _, arch := range []string{"amd64", "arm64"} {
		into := memory.New()
		options := oras.DefaultCopyOptions
		options.WithTargetPlatform(&v1.Platform{OS: "linux", Architecture: arch})
		if _, err := oras.Copy(context.Background(), repo, "latest", into, "x", options); err != nil {
			t.Errorf("%s: %v", arch, err)
		}
	}
	entries, err := os.ReadDir("../testdata/demo-image/blobs/sha256")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		want := blobOf(t, "../testdata/demo-image", digest.NewDigestFromEncoded(digest.SHA256, e.Name()))
		got := do(t, request(t, "http://"+r.addr+"/v2/demo/blobs/sha256:"+e.Name(), "Range", "bytes=100-"))
		if got.StatusCode != http.StatusPartialContent || !bytes.Equal(got.body, want[100:]) {
			t.Errorf("a range of %s: %s, %d bytes", e.Name(), got.Status, len(got.body))
		}
	}
	for _, path := range []string{"/v2/demo/blobs/sha256:" + strings.Repeat("0", 64), "/v2/demo/blobs/../../index.json", "/v2/other/blobs/x", "/v2/demo/manifests/none"} {
		if got := do(t, request(t, "http://"+r.addr+path)); got.StatusCode/100 != 4 {
			t.Errorf("%s: %s", path, got.Status)
		}
	}
	stdin.Close()
	if err := c.Wait(); err != nil {
		t.Error(err)
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
