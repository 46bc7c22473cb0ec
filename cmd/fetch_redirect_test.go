package cmd

import (
	"net/http"
	"strings"
	"testing"

	"cfs/cmd/internal/faultproxy"
	"cfs/cmd/internal/registrytest"
)

// TestFetchRedirect: a registry may send its clients elsewhere for blobs. There no
// password and no token goes.
func TestFetchRedirect(t *testing.T) {
	t.Parallel()
	tokens, _ := registrytest.DebianTokens(t)
	for name, r := range map[string]*registrytest.Registry{"htpasswd": registrytest.DebianHtpasswd(t, nil), "tokens": tokens} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFetching(t, r, 200_000, 300_000)
			other := faultproxy.NewElsewhere(t, f.layout)
			f.proxy.Blobs = func(e *faultproxy.Exchange) {
				if e.R.Header.Get("Authorization") == "" {
					faultproxy.Pass(e) // the registry says what it wants
					return
				}
				other.Redirect(e)
			}
			f.succeeds()
			wantNoSecrets(t, other)
			if len(other.Seen()) < len(f.layers()) {
				t.Errorf("only %d requests went elsewhere", len(other.Seen()))
			}
		})
	}
}

// wantNoSecrets checks that no request that came held what is for the registry alone.
func wantNoSecrets(t *testing.T, s *faultproxy.Elsewhere) {
	t.Helper()
	for _, q := range s.Seen() {
		for header, values := range q.Header {
			text := strings.Join(values, " ")
			if header == "Authorization" || header == "Cookie" || strings.Contains(text, registrytest.Secret) || strings.Contains(text, "Bearer") {
				t.Errorf("%s %s came with %s: %s", q.Method, q.URL, header, text)
			}
		}
	}
}

// TestFetchRedirectAsks: a host to which the registry sends its clients may ask who they
// are, also by a token server of its own. It is not told.
func TestFetchRedirectAsks(t *testing.T) {
	t.Parallel()
	r := registrytest.DebianHtpasswd(t, nil)
	layout := randomImage(t, 24, 20_000)
	r.Push(t, layout, "some/image:1")
	for name, asks := range map[string]string{
		"basic":  `Basic realm="elsewhere"`,
		"bearer": `Bearer realm="REALM/token",service="elsewhere",scope="repository:some/image:pull"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := fetchingOf(t, r, layout, "some/image:1")
			other := faultproxy.NewElsewhere(t, layout)
			other.Asks = strings.Replace(asks, "REALM", other.URL, 1)
			f.proxy.Blobs = func(e *faultproxy.Exchange) {
				if e.R.Header.Get("Authorization") == "" {
					faultproxy.Pass(e)
					return
				}
				other.Redirect(e)
			}
			if got := f.run(f.code + " --retry-times=1"); got.Status == 0 || strings.Contains(got.Stdout, "manifest ") {
				t.Errorf("exit status %d\n%s", got.Status, got.Stdout)
			}
			if len(other.Seen()) == 0 {
				t.Error("nobody came")
			}
			wantNoSecrets(t, other)
		})
	}
}

// TestFetchRedirectResumes: after a cut the registry is asked again where the blob is,
// and the rest of it comes from there.
func TestFetchRedirectResumes(t *testing.T) {
	t.Parallel()
	f := newFetching(t, registrytest.InProcess(t), 700_000)
	other := faultproxy.NewElsewhere(t, f.layout)
	layer := f.layers()[0]
	f.proxy.Blobs = faultproxy.To(layer.Digest.String(), faultproxy.Then(faultproxy.Breaks(faultproxy.Cut, 500_000), other.Redirect))
	f.succeeds()
	seen := other.Seen()
	if len(seen) != 1 || !strings.HasPrefix(seen[0].Header.Get("Range"), "bytes=") || strings.HasPrefix(seen[0].Header.Get("Range"), "bytes=0-") {
		t.Errorf("elsewhere saw %v, want one request for the rest", seen)
	}
}

// TestFetchRedirectExpires: an address elsewhere that has expired is no reason to give
// up: the registry knows another one. It is never printed.
func TestFetchRedirectExpires(t *testing.T) {
	t.Parallel()
	f := newFetching(t, registrytest.InProcess(t), 100_000)
	other := faultproxy.NewElsewhere(t, f.layout)
	layer := f.layers()[0].Digest.String()
	f.proxy.Blobs = faultproxy.To(layer, other.Redirect)
	other.Refuse(1)
	f.succeeds()
	if n := f.proxy.Of(layer).Requests; n != 2 {
		t.Errorf("the registry was asked %d times, want 2", n)
	}
	other.Refuse(1000)
	r := f.run(strings.Replace(f.code, "/spool", "/new-spool", 1) + " --retry-times=1 --progress=plain")
	if r.Status == 0 || strings.Contains(r.Stderr, faultproxy.Signature) {
		t.Errorf("exit status %d\n%s", r.Status, r.Stderr)
	}
	wantError(t, r, r.Status, layer)
}

// TestFetchRedirectLoop: going round in a circle ends.
func TestFetchRedirectLoop(t *testing.T) {
	t.Parallel()
	f := newFetching(t, registrytest.InProcess(t), 1000)
	layer := f.layers()[0].Digest.String()
	f.proxy.Blobs = faultproxy.To(layer, func(e *faultproxy.Exchange) {
		http.Redirect(e.W, e.R, e.R.URL.Path, http.StatusTemporaryRedirect)
	})
	if r := f.run(f.code + " --retry-times=1"); r.Status != 1 && r.Status != 75 {
		t.Errorf("exit status %d\n%s", r.Status, r.Stderr)
	}
	if n := f.proxy.Of(layer).Requests; n > 40 {
		t.Errorf("it asked %d times", n)
	}
}
