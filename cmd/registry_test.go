package cmd

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"

	library "github.com/google/go-containerregistry/pkg/registry"
	"golang.org/x/sys/unix"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/oci"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
)

// registry is a registry that runs on loopback.
type registry struct {
	addr      string     // HOST:PORT
	authority *authority // that its certificate is of; nil for plain HTTP
	password  string     // of userName; "" for one that is open
}

// Who may read and write in registries that ask.
const (
	userName = "user"
	secret   = "secret-password"
	// htpasswd -nbB -C 4 user secret-password
	htpasswdLine = "user:$2y$04$.TxcdpQRRKcF8a/sFs.cO.3eoS2P/bvC88BUtWMYaa9eglgQGIbMK\n"
)

// source writes an image of the registry as cfs-fetch takes it.
func (r *registry) source(name string) string { return "docker://" + r.addr + "/" + name }

// inProcess starts the registry of a library, open to all.
func inProcess(t testing.TB) *registry {
	t.Helper()
	s := httptest.NewServer(library.New(library.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(s.Close)
	return &registry{addr: s.Listener.Addr().String()}
}

// debian starts Debian's docker-registry with configuration besides where it listens:
// what comes below "http", and at the top.
func debian(t testing.TB, http, top string) *registry {
	t.Helper()
	program, err := exec.LookPath("docker-registry")
	if err != nil {
		t.Skip("SKIPPED: no registry that others wrote is here: ", err)
	}
	dir := cmdtest.Scratch(t)
	config := fmt.Sprintf("version: 0.1\nlog: {level: info, accesslog: {disabled: true}}\n"+
		"storage: {filesystem: {rootdirectory: %s}}\nhttp:\n  addr: 127.0.0.1:0\n%s\n%s\n", dir, http, top)
	name := filepath.Join(dir, "config.yml")
	if err := os.WriteFile(name, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(program, "serve", name)
	c.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	said, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Kill()
		c.Wait() // it was killed: nothing to learn
	})
	return &registry{addr: listening(t, said)}
}

// listening reads from the log of a registry where it listens, and all that comes after.
func listening(t testing.TB, log io.Reader) (addr string) {
	t.Helper()
	line := regexp.MustCompile(`msg="listening on ([0-9.:]+)`)
	said := ""
	for lines := bufio.NewScanner(log); lines.Scan(); said += lines.Text() + "\n" {
		if m := line.FindStringSubmatch(lines.Text()); m != nil {
			go io.Copy(io.Discard, log) // until it ends
			return m[1]
		}
	}
	t.Fatalf("docker-registry does not start:\n%s", said)
	return ""
}

// debianOpen starts a docker-registry that is open to all.
func debianOpen(t testing.TB) *registry {
	t.Helper()
	return debian(t, "", "")
}

// debianHtpasswd starts a docker-registry that wants a password, over TLS if there is
// an authority.
func debianHtpasswd(t testing.TB, a *authority) *registry {
	t.Helper()
	file := filepath.Join(t.TempDir(), "htpasswd")
	if err := os.WriteFile(file, []byte(htpasswdLine), 0o600); err != nil {
		t.Fatal(err)
	}
	tls := ""
	if a != nil {
		tls = a.serverConfig(t)
	}
	r := debian(t, tls, "auth: {htpasswd: {realm: test, path: "+file+"}}")
	r.authority, r.password = a, secret
	return r
}

// push copies the image of a layout, by oras-go, to NAME:TAG.
func (r *registry) push(t testing.TB, layout, name string) {
	t.Helper()
	ctx := context.Background()
	store, err := oci.NewFromFS(ctx, os.DirFS(layout))
	if err != nil {
		t.Fatal(err)
	}
	repo := r.repository(t, name)
	if _, err := oras.Copy(ctx, store, imagetest.Top(t, layout).Digest.String(), repo, repo.Reference.Reference, oras.DefaultCopyOptions); err != nil {
		t.Fatal(err)
	}
}

// repository is NAME:TAG for a client that is not ours.
func (r *registry) repository(t testing.TB, name string) *remote.Repository {
	t.Helper()
	repo, err := remote.NewRepository(r.addr + "/" + name)
	if err != nil {
		t.Fatal(err)
	}
	client := &auth.Client{Cache: auth.NewCache()}
	if r.password != "" {
		client.Credential = auth.StaticCredential(r.addr, auth.Credential{Username: userName, Password: r.password})
	}
	if r.authority != nil {
		client.Client = r.authority.client()
	}
	repo.Client, repo.PlainHTTP = client, r.authority == nil
	return repo
}

// skopeo runs skopeo, and skips the test where there is none.
func skopeo(t testing.TB, h *home, args string) {
	t.Helper()
	if _, err := exec.LookPath("skopeo"); err != nil {
		t.Skip("SKIPPED: ", err)
	}
	h.must("skopeo --insecure-policy " + args)
}

// putManifest puts any text in the place of a manifest, NAME:TAG.
func putManifest(t testing.TB, r *registry, name, mediaType, text string) {
	t.Helper()
	repo, tag, _ := strings.Cut(name, ":")
	q, err := http.NewRequest(http.MethodPut, "http://"+r.addr+"/v2/"+repo+"/manifests/"+tag, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Content-Type", mediaType)
	if got := do(t, q); got.StatusCode != http.StatusCreated {
		t.Fatalf("%s: %s %s", name, got.Status, got.body)
	}
}
