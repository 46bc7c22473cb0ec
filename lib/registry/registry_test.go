package registry

import (
	"cfs/lib/temporary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/types"
)

func bodyAt(offset, size int64) *body {
	return &body{desc: v1.Descriptor{Digest: digest.FromString(""), Size: size}, offset: offset}
}

// TestCheckRange: only the part that was asked for is taken.
func TestCheckRange(t *testing.T) {
	for answer, ok := range map[string]bool{
		"bytes 10-99/100": true, "bytes 10-99/*": true, "bytes 10-50/100": true,
		"": false, "bytes 0-99/100": false, "bytes 11-99/100": false, "bytes 10-100/101": false, "10-99/100": false,
		"bytes */100": false, "bytes 10-/100": false, "items 10-99/100": false, "bytes -99/100": false,
	} {
		if err := bodyAt(10, 100).checkRange(http.Header{"Content-Range": {answer}}); (err == nil) != ok {
			t.Errorf("%q: %v", answer, err)
		}
	}
}

// FuzzCheckRange: whatever is taken begins where the blob is to go on, and ends in it.
func FuzzCheckRange(f *testing.F) {
	for _, s := range []string{"bytes 10-99/100", "bytes 10-50/*", "bytes */100", "", "bytes 10-99999999999999999999/1", "bytes +10-99/100"} {
		f.Add(s, int64(10), int64(100))
	}
	f.Fuzz(func(t *testing.T, s string, offset, size int64) {
		if bodyAt(offset, size).checkRange(http.Header{"Content-Range": {s}}) != nil {
			return
		}
		var first, last int64
		if n, err := fmt.Sscanf(s, "bytes %d-%d", &first, &last); n != 2 || first != offset || last >= size {
			t.Errorf("%q is taken for bytes %d-%d: %v", s, offset, size-1, err)
		}
	})
}

func TestParseAfter(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"": 0, "3": 3 * time.Second, "-1": 0, "x": 0, "99999999999999999999": 0,
		time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat): 0,
	} {
		if got := parseAfter(s); got != want {
			t.Errorf("%q: %v, want %v", s, got, want)
		}
	}
	if got := parseAfter(time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)); got < 55*time.Second || got > time.Minute {
		t.Errorf("in a minute: %v", got)
	}
}

// configured returns a context of a registries.conf.
func configured(t *testing.T, text string) *types.SystemContext {
	t.Helper()
	dir := t.TempDir()
	conf := filepath.Join(dir, "registries.conf")
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	sysregistriesv2.InvalidateCache()
	return &types.SystemContext{SystemRegistriesConfPath: conf, SystemRegistriesConfDirPath: dir + "/none", UserShortNameAliasConfPath: dir + "/aliases"}
}

// TestResolve: where images are looked for, in order.
func TestResolve(t *testing.T) {
	const digest = "@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for _, v := range []struct {
		conf, name, want string
	}{
		{"", "registry.example/a/b", "registry.example/a/b:latest"},
		{"", "registry.example:5000/a:1", "registry.example:5000/a:1"},
		{"", "localhost/a", "localhost/a:latest"},
		{"", "registry.example/a:1" + digest, "registry.example/a" + digest},
		{`[[registry]]
location = "registry.example"
[[registry.mirror]]
location = "one.example/x"
[[registry.mirror]]
location = "two.example"`, "registry.example/a:1", "one.example/x/a:1 two.example/a:1 registry.example/a:1"},
		{`[[registry]]
location = "registry.example"
mirror-by-digest-only = true
[[registry.mirror]]
location = "one.example"`, "registry.example/a:1", "registry.example/a:1"},
		{`unqualified-search-registries = ["one.example"]`, "a:2", "one.example/a:2"},
		{"short-name-mode = \"permissive\"\nunqualified-search-registries = [\"one.example\", \"two.example\"]", "x/a", "one.example/x/a:latest two.example/x/a:latest"},
		{"[aliases]\n\"a\" = \"one.example/other\"", "a:3", "one.example/other:3"},
	} {
		sources, err := resolve(configured(t, v.conf), v.name, nil)
		if err != nil {
			t.Errorf("%s: %v", v.name, err)
			continue
		}
		var got []string
		for _, s := range sources {
			got = append(got, s.Reference.String())
		}
		if !slices.Equal(got, strings.Fields(v.want)) {
			t.Errorf("%s: %s, want %s", v.name, got, v.want)
		}
	}
	for name, conf := range map[string]string{
		"registry.example/A": "", "": "", "a b": "", "registry.example/a:": "",
		"a": "short-name-mode = \"enforcing\"\nunqualified-search-registries = [\"one.example\", \"two.example\"]",
	} {
		if _, err := resolve(configured(t, conf), name, nil); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
	blocked := "[[registry]]\nlocation = \"registry.example\"\nblocked = true"
	if _, err := resolve(configured(t, blocked), "registry.example/a", nil); err == nil || !strings.Contains(err.Error(), "blocked") {
		t.Errorf("blocked: %v", err)
	}
}

// TestBudget: only what may pass is done again, and only so often.
func TestBudget(t *testing.T) {
	b := Options{Retries: 2}.budget()
	permanent := errors.New("permanent")
	if err := b.wait(t.Context(), permanent); err != permanent {
		t.Error(err)
	}
	passed := passing(errors.New("passing"))
	for range 2 {
		if err := b.wait(t.Context(), passed); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.wait(t.Context(), passed); err != passed || !temporary.Is(err) {
		t.Errorf("after all retries: %v", err)
	}
	b.renew()
	if err := b.wait(t.Context(), &passingError{temporary.Errorf("busy"), 24 * time.Hour}); err == nil {
		t.Error("a day was waited for")
	}
}

// serve starts a registry of one manifest and one blob, and returns HOST:PORT.
func serve(t *testing.T, handle func(http.ResponseWriter, *http.Request)) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/" {
			handle(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// openIn opens an image with a registries.conf.
func openIn(t *testing.T, conf, name string, o Options) *Remote {
	t.Helper()
	path := filepath.Join(t.TempDir(), "registries.conf")
	if err := os.WriteFile(path, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CONTAINERS_REGISTRIES_CONF", path)
	t.Setenv("HOME", t.TempDir())
	sysregistriesv2.InvalidateCache()
	i, err := Open(name, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close() })
	return i
}

func insecure(addr string) string {
	return fmt.Sprintf("[[registry]]\nlocation = %q\ninsecure = true\n", addr)
}

// TestCredentialsOfMirrors: what is given for the registry goes to no mirror of it.
func TestCredentialsOfMirrors(t *testing.T) {
	asked := map[string]string{}
	wantsLogin := func(who string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) {
			user, password, _ := r.BasicAuth()
			asked[who] += user + password
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	}
	mirror, main := serve(t, wantsLogin("mirror")), serve(t, wantsLogin("registry"))
	conf := insecure(main) + fmt.Sprintf("[[registry.mirror]]\nlocation = %q\ninsecure = true\n", mirror)
	i := openIn(t, conf, main+"/a:1", Options{Username: "bob", Password: "secret"})
	if _, err := i.Manifest(t.Context()); !errors.Is(err, ErrLogin) {
		t.Error(err)
	}
	if asked["mirror"] != "" || asked["registry"] != "bobsecret" {
		t.Errorf("who was told what: %v", asked)
	}
}

// TestStalledAnswers: nothing waits for ever, whichever answer it is that stalls.
func TestStalledAnswers(t *testing.T) {
	for name, status := range map[string]int{"manifest": 200, "error": 503} {
		stop := make(chan struct{})
		addr := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(status)
			w.Write([]byte("{"))
			w.(http.Flusher).Flush()
			<-stop
		})
		i := openIn(t, insecure(addr), addr+"/a:1", Options{Idle: 50 * time.Millisecond, Retries: 1})
		if _, err := i.Manifest(t.Context()); !temporary.Is(err) {
			t.Errorf("%s: %v", name, err)
		}
		close(stop)
	}
}

// TestOtherAnswer: an answer of another length is none, and no reason to drop what came
// before.
func TestOtherAnswer(t *testing.T) {
	content := strings.Repeat("x", 100_000)
	d := v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: digest.FromString(content), Size: int64(len(content))}
	requests := 0
	addr := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if requests++; requests == 1 {
			io.WriteString(w, "<html>maintenance")
			return
		}
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
	})
	i := openIn(t, insecure(addr), addr+"/a:1", Options{Retries: 2})
	in, err := i.Open(t.Context(), d, 60_000)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if got, err := io.ReadAll(in); err != nil || string(got) != content[60_000:] {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// TestSecretsInRedirects: neither errors nor the next host are told of a signed URL.
func TestSecretsInRedirects(t *testing.T) {
	referer := ""
	last := serve(t, func(w http.ResponseWriter, r *http.Request) {
		referer = r.Referer()
		w.WriteHeader(http.StatusNotFound)
	})
	between := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+last+"/x", http.StatusFound)
	})
	for _, to := range []string{"http://" + between + "/y?sig=SECRET", "https://127.0.0.1/%zz?sig=SECRET", "gopher://127.0.0.1/?sig=SECRET"} {
		addr := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusTemporaryRedirect)
		})
		i := openIn(t, insecure(addr), addr+"/a:1", Options{})
		_, err := i.Manifest(t.Context())
		if err == nil || strings.Contains(err.Error(), "SECRET") || strings.Contains(referer, "SECRET") {
			t.Errorf("%s: %v, referer %q", to, err, referer)
		}
	}
}
