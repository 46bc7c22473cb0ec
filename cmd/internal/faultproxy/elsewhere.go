package faultproxy

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

// Elsewhere is another host to which a registry may send its clients for blobs, as to a
// store of objects, by addresses that hold a signature.
type Elsewhere struct {
	*httptest.Server
	Asks string // who comes, as in WWW-Authenticate; "" for nobody

	layout   string
	mu       sync.Mutex
	requests []*http.Request
	refused  int // how many requests still get 403
	accepts  int // how many requests come before all get 403; 0: any
	serial   int
}

// Signature is what an address elsewhere must not be printed with.
const Signature = "X-Signature-d41d8cd98f00"

// NewElsewhere serves the blobs of a layout at an address of its own. It skips the test
// where loopback has only one.
func NewElsewhere(t testing.TB, layout string) *Elsewhere {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Skip("SKIPPED: there is no second address on loopback: ", err)
	}
	s := &Elsewhere{layout: layout}
	s.Server = httptest.NewUnstartedServer(s)
	s.Listener.Close()
	s.Listener = listener
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// ServeHTTP answers a request. It is for the server.
func (s *Elsewhere) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, r.Clone(r.Context()))
	refused := s.refused > 0 || s.accepts > 0 && len(s.requests) > s.accepts
	if s.refused > 0 {
		s.refused--
	}
	s.mu.Unlock()
	if s.Asks != "" {
		w.Header().Set("WWW-Authenticate", s.Asks)
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	f, err := os.Open(filepath.Join(s.layout, "blobs/sha256", filepath.Base(r.URL.Path)))
	if err != nil || refused || r.FormValue("signature") != Signature {
		http.Error(w, "this address has expired", http.StatusForbidden)
		return
	}
	defer f.Close()
	http.ServeContent(w, r, "", time.Time{}, f)
}

// Refuse refuses the next n requests, as if their addresses had expired.
func (s *Elsewhere) Refuse(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = n
}

// RefuseAfter refuses all requests after n have come.
func (s *Elsewhere) RefuseAfter(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accepts = n
}

// Seen returns the requests that came.
func (s *Elsewhere) Seen() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*http.Request{}, s.requests...)
}

// Redirect sends who asks for a blob here, by another address each time.
func (s *Elsewhere) Redirect(e *Exchange) {
	s.mu.Lock()
	s.serial++
	query := url.Values{"signature": {Signature}, "serial": {strconv.Itoa(s.serial)}}
	s.mu.Unlock()
	location := s.URL + "/" + strings.TrimPrefix(e.Blob, "sha256:") + "?" + query.Encode()
	http.Redirect(e.W, e.R, location, http.StatusTemporaryRedirect)
}
