package cmd

import (
	"bufio"
	"bytes"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cfs/cmd/internal/imagetest"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/memory"
)

// These tests try the registries of the other tests by clients that are not ours.

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
			want := imagetest.Top(t, layout)
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
		want := imagetest.Blob(t, "../testdata/demo-image", digest.NewDigestFromEncoded(digest.SHA256, e.Name()))
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
