package cmd

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"cfs/cmd/internal/registrytest"
)

// webProxy is an HTTP proxy that knows one host.
type webProxy struct {
	*httptest.Server
	behind            string // where the host is, HOST:PORT
	forwards, tunnels atomic.Int32
}

func newWebProxy(t testing.TB, behind string) *webProxy {
	t.Helper()
	p := &webProxy{behind: behind}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *webProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Hostname() != registrytest.ProxiedHost {
		http.Error(w, "unknown host "+r.URL.Host, http.StatusBadGateway)
		return
	}
	if r.Method == http.MethodConnect {
		p.tunnel(w)
		return
	}
	p.forwards.Add(1)
	out := r.Clone(r.Context())
	out.URL.Host, out.RequestURI = p.behind, ""
	// Not by the default transport: who closes a test server ends its connections.
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(out)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.StatusCode)
	io.Copy(w, answer.Body) // who has gone needs no more
}

// tunnel joins a connection to the host.
func (p *webProxy) tunnel(w http.ResponseWriter) {
	host, err := net.Dial("tcp", p.behind)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	p.tunnels.Add(1)
	defer host.Close()
	w.WriteHeader(http.StatusOK)
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err) // it is HTTP/1.1
	}
	defer client.Close()
	go func() {
		io.Copy(host, buffered) // which may have the first bytes already
		host.Close()
	}()
	io.Copy(client, host)
}

// TestFetchByProxy: the proxies of the environment are used, in plain and for TLS.
func TestFetchByProxy(t *testing.T) {
	t.Parallel()
	layout := randomImage(t, 15, 200_000)
	t.Run("plain", func(t *testing.T) {
		t.Parallel()
		r := registrytest.InProcess(t)
		r.Push(t, layout, "some/image:1")
		h, p := newHome(t), newWebProxy(t, r.Addr)
		h.setenv("http_proxy", p.URL)
		h.must("cfs-fetch --tls-verify=false --spool=spool docker://" + registrytest.ProxiedHost + "/some/image:1")
		if p.forwards.Load() < 3 {
			t.Errorf("%d requests by the proxy", p.forwards.Load())
		}
	})
	t.Run("TLS", func(t *testing.T) {
		t.Parallel()
		a := registrytest.NewAuthority(t)
		r := registrytest.DebianHtpasswd(t, a)
		r.Push(t, layout, "some/image:1")
		h, p := newHome(t), newWebProxy(t, r.Addr)
		fetch := "cfs-fetch --retry-times=0 --spool=spool --cert-dir=" + certsOf(h, a, "certs") + " docker://" + registrytest.ProxiedHost + "/some/image:1"
		h.write("run/containers/auth.json", login(registrytest.ProxiedHost, registrytest.Secret))
		h.setenv("HTTPS_PROXY", p.URL)
		h.must(fetch)
		n := p.tunnels.Load()
		if n == 0 {
			t.Error("no connection by the proxy")
		}
		h.setenv("NO_PROXY", registrytest.ProxiedHost)
		h.fails(1, strings.Replace(fetch, "=spool", "=new-spool", 1), registrytest.ProxiedHost)
		if p.tunnels.Load() != n {
			t.Error("NO_PROXY is not heeded")
		}
	})
}
