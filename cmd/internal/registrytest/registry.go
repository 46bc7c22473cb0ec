// Package registrytest runs registries on loopback for tests: Debian's docker-registry, open or
// with password or token authentication, and one from a library.
package registrytest

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
	"time"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"

	library "github.com/google/go-containerregistry/pkg/registry"
	"golang.org/x/sys/unix"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/oci"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
)

// Registry is a registry that runs on loopback.
type Registry struct {
	Addr      string     // HOST:PORT
	Authority *Authority // that its certificate is of; nil for plain HTTP
	Password  string     // of User; "" for one that is open
}

// Who may read and write in registries that ask.
const (
	User   = "user"
	Secret = "secret-password"
	// htpasswd -nbB -C 4 user secret-password
	htpasswdLine = "user:$2y$04$.TxcdpQRRKcF8a/sFs.cO.3eoS2P/bvC88BUtWMYaa9eglgQGIbMK\n"
)

// Source writes an image of the registry as cfs-fetch takes it.
func (r *Registry) Source(name string) string { return "docker://" + r.Addr + "/" + name }

// InProcess starts the registry of a library, open to all.
func InProcess(t testing.TB) *Registry {
	t.Helper()
	return Serve(t, Handler(false))
}

// Handler is the registry of a library, with lists of what refers to a manifest or without.
func Handler(referrers bool) http.Handler {
	return library.New(library.Logger(log.New(io.Discard, "", 0)), library.WithReferrersSupport(referrers))
}

// Serve starts a registry that a handler is.
func Serve(t testing.TB, h http.Handler) *Registry {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return &Registry{Addr: s.Listener.Addr().String()}
}

// Debian starts Debian's docker-registry with configuration besides where it listens:
// what comes below "http", and at the top.
func Debian(t testing.TB, http, top string) *Registry {
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
	return &Registry{Addr: listening(t, said)}
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

// DebianOpen starts a docker-registry that is open to all.
func DebianOpen(t testing.TB) *Registry {
	t.Helper()
	return Debian(t, "", "")
}

// DebianHtpasswd starts a docker-registry that wants a password, over TLS if there is
// an authority.
func DebianHtpasswd(t testing.TB, a *Authority) *Registry {
	t.Helper()
	file := filepath.Join(t.TempDir(), "htpasswd")
	if err := os.WriteFile(file, []byte(htpasswdLine), 0o600); err != nil {
		t.Fatal(err)
	}
	tls := ""
	if a != nil {
		tls = a.ServerConfig(t)
	}
	r := Debian(t, tls, "auth: {htpasswd: {realm: test, path: "+file+"}}")
	r.Authority, r.Password = a, Secret
	return r
}

// Push copies the only image of a layout, by oras-go, to NAME:TAG.
func (r *Registry) Push(t testing.TB, layout, name string) {
	t.Helper()
	r.PushImage(t, layout, imagetest.Top(t, layout).Digest.String(), name)
}

// PushImage copies the image of a layout whose manifest has a digest.
func (r *Registry) PushImage(t testing.TB, layout, digest, name string) {
	t.Helper()
	ctx := context.Background()
	store, err := oci.NewFromFS(ctx, os.DirFS(layout))
	if err != nil {
		t.Fatal(err)
	}
	repo := r.Repository(t, name)
	if _, err := oras.Copy(ctx, store, digest, repo, repo.Reference.Reference, oras.DefaultCopyOptions); err != nil {
		t.Fatal(err)
	}
}

// Repository is NAME:TAG for a client that is not ours.
func (r *Registry) Repository(t testing.TB, name string) *remote.Repository {
	t.Helper()
	repo, err := remote.NewRepository(r.Addr + "/" + name)
	if err != nil {
		t.Fatal(err)
	}
	// Of its own: who closes a test server ends connections of the default one.
	client := &auth.Client{Cache: auth.NewCache(), Client: &http.Client{Transport: &http.Transport{}}}
	if r.Password != "" {
		client.Credential = auth.StaticCredential(r.Addr, auth.Credential{Username: User, Password: r.Password})
	}
	if r.Authority != nil {
		client.Client = r.Authority.Client()
	}
	repo.Client, repo.PlainHTTP = client, r.Authority == nil
	return repo
}

// PutManifest puts any text in the place of a manifest, NAME:TAG.
func (r *Registry) PutManifest(t testing.TB, name, mediaType, text string) {
	t.Helper()
	repo, tag, _ := strings.Cut(name, ":")
	q, err := http.NewRequest(http.MethodPut, "http://"+r.Addr+"/v2/"+repo+"/manifests/"+tag, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Content-Type", mediaType)
	if got := Do(t, q); got.StatusCode != http.StatusCreated {
		t.Fatalf("%s: %s %s", name, got.Status, got.Text)
	}
}

// Response is an answer with its body read, as far as it came.
type Response struct {
	*http.Response
	Text []byte
	Err  error // why no more came
}

// Do does a request by a client that is not ours.
func Do(t testing.TB, q *http.Request) Response {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	got, err := client.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	return Response{got, text, err}
}

// Get does a request for a URL, with headers that are names and values.
func Get(t testing.TB, url string, headers ...string) Response {
	t.Helper()
	q, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
	}
	return Do(t, q)
}
