package registrytest

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

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/memory"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
)

// TestRegistryProgram: what the demo pulls from serves the demo's image, and ends with
// its stdin.
func TestRegistryProgram(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	program, image := filepath.Join(t.TempDir(), "registry"), filepath.Join(cmdtest.Root(t), "testdata/demo-image")
	cmdtest.Must(t, cmdtest.Root(t), "go build -o "+cmdtest.Quote(program)+" ./testdata/registry")
	c := exec.Command(program, "demo="+image)
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
	r := &Registry{Addr: strings.TrimSpace(addr)}
	repo := r.Repository(t, "demo")
	for _, arch := range []string{"amd64", "arm64"} {
		into := memory.New()
		options := oras.DefaultCopyOptions
		options.WithTargetPlatform(&v1.Platform{OS: "linux", Architecture: arch})
		if _, err := oras.Copy(context.Background(), repo, "latest", into, "x", options); err != nil {
			t.Errorf("%s: %v", arch, err)
		}
	}
	entries, err := os.ReadDir(image + "/blobs/sha256")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		want := imagetest.Blob(t, image, digest.NewDigestFromEncoded(digest.SHA256, e.Name()))
		got := Get(t, "http://"+r.Addr+"/v2/demo/blobs/sha256:"+e.Name(), "Range", "bytes=100-")
		if got.StatusCode != http.StatusPartialContent || !bytes.Equal(got.Text, want[100:]) {
			t.Errorf("a range of %s: %s, %d bytes", e.Name(), got.Status, len(got.Text))
		}
	}
	for _, path := range []string{"/v2/demo/blobs/sha256:" + strings.Repeat("0", 64), "/v2/demo/blobs/../../index.json", "/v2/other/blobs/x", "/v2/demo/manifests/none"} {
		if got := Get(t, "http://"+r.Addr+path); got.StatusCode/100 != 4 {
			t.Errorf("%s: %s", path, got.Status)
		}
	}
	stdin.Close()
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}
