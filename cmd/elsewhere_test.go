package cmd

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// elsewhere is another host to which a registry may send its clients for blobs, as to a
// store of objects, by addresses that hold a signature.
type elsewhere struct {
	*httptest.Server
	t      testing.TB
	layout string

	mu       sync.Mutex
	requests []*http.Request
	refused  int    // how many requests still get 403, as from an address that has expired
	asks     string // what it wants, as in WWW-Authenticate; "" for nothing
	serial   int
}

// signature is what an address elsewhere must not be printed with.
const signature = "X-Signature-d41d8cd98f00"

func newElsewhere(t testing.TB, layout string) *elsewhere {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Skip("SKIPPED: there is no second address on loopback: ", err)
	}
	s := &elsewhere{t: t, layout: layout}
	s.Server = httptest.NewUnstartedServer(s)
	s.Listener.Close()
	s.Listener = listener
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func (s *elsewhere) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, r.Clone(r.Context()))
	refused := s.refused > 0
	if refused {
		s.refused--
	}
	s.mu.Unlock()
	if s.asks != "" {
		w.Header().Set("WWW-Authenticate", s.asks)
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	f, err := os.Open(filepath.Join(s.layout, "blobs/sha256", filepath.Base(r.URL.Path)))
	if err != nil || refused || r.FormValue("signature") != signature {
		http.Error(w, "this address has expired", http.StatusForbidden)
		return
	}
	defer f.Close()
	http.ServeContent(w, r, "", time.Time{}, f)
}

// seen returns the requests that came.
func (s *elsewhere) seen() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*http.Request{}, s.requests...)
}

// redirect sends who asks for a blob here, by another address each time.
func (s *elsewhere) redirect(e *exchange) {
	s.mu.Lock()
	s.serial++
	query := url.Values{"signature": {signature}, "serial": {strconv.Itoa(s.serial)}}
	s.mu.Unlock()
	location := s.URL + "/" + strings.TrimPrefix(e.blob, "sha256:") + "?" + query.Encode()
	http.Redirect(e.w, e.r, location, http.StatusTemporaryRedirect)
}
