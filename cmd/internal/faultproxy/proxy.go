// Package faultproxy is a proxy for a registry that cuts, stalls and falsifies responses as a test
// requires, kills clients, and counts what they receive.
package faultproxy

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// Proxy stands before a registry. What it does to answers may be changed while no
// request is on its way.
type Proxy struct {
	Addr      string // HOST:PORT, for clients
	Blobs     Fault  // of requests for blobs
	Manifests Fault  // of requests for manifests

	upstream string // the registry, HOST:PORT
	kill     killer
	ended    chan struct{} // closed at the end of the test
	flow     sync.RWMutex  // held for writing while nothing may go to clients

	mu      sync.Mutex
	traffic map[string]*Traffic // by digest
	last    map[net.Conn]string // for each connection, the last blob that went there
}

// Traffic is what happened to a blob, or to several.
type Traffic struct {
	Requests  int
	Delivered int64 // bytes of its body
	Cuts      int   // bodies that ended early
	Lies      int   // bodies, or what is said about them, that were wrong
}

type connKey struct{}

// New starts a proxy before a registry of plain HTTP. It does nothing yet.
func New(t testing.TB, upstream string) *Proxy {
	t.Helper()
	p := &Proxy{
		Blobs: Pass, Manifests: Pass, upstream: upstream, ended: make(chan struct{}),
		traffic: map[string]*Traffic{}, last: map[net.Conn]string{},
	}
	s := httptest.NewUnstartedServer(p)
	s.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) }
	s.Config.ConnState = p.connState
	s.Start()
	t.Cleanup(func() {
		close(p.ended)
		s.Close()
	})
	p.Addr = s.Listener.Addr().String()
	return p
}

// ServeHTTP answers a request. It is for the server.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e := &Exchange{W: w, R: r, p: p, conn: r.Context().Value(connKey{}).(net.Conn)}
	_, blob, isBlob := strings.Cut(r.URL.Path, "/blobs/sha256:")
	handle := Pass
	switch {
	case r.Method != http.MethodGet:
	case isBlob:
		handle, e.Blob = p.Blobs, "sha256:"+blob
	case strings.Contains(r.URL.Path, "/manifests/"):
		handle, e.Blob = p.Manifests, manifests
	}
	e.Nth = p.note(e.Blob, func(t *Traffic) { t.Requests++ }).Requests - 1
	handle(e)
}

// manifests stands for all manifests together where a blob has a digest.
const manifests = "manifests"

// note changes what is known about a blob, and returns it.
func (p *Proxy) note(blob string, change func(*Traffic)) Traffic {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.traffic[blob] == nil {
		p.traffic[blob] = &Traffic{}
	}
	change(p.traffic[blob])
	return *p.traffic[blob]
}

// Of returns what happened to a blob.
func (p *Proxy) Of(digest string) Traffic { return p.note(digest, func(*Traffic) {}) }

// ManifestRequests returns how often a manifest was asked for.
func (p *Proxy) ManifestRequests() int { return p.Of(manifests).Requests }

// Total adds up what happened to all blobs.
func (p *Proxy) Total() (sum Traffic) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for blob, t := range p.traffic {
		if isDigest(blob) {
			sum = Traffic{sum.Requests + t.Requests, sum.Delivered + t.Delivered, sum.Cuts + t.Cuts, sum.Lies + t.Lies}
		}
	}
	return sum
}

func isDigest(blob string) bool { return strings.HasPrefix(blob, "sha256:") }

// connState remembers connections that live.
func (p *Proxy) connState(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		p.setLast(c, "")
	case http.StateClosed, http.StateHijacked:
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.last, c)
	}
}

func (p *Proxy) setLast(c net.Conn, blob string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last[c] = blob
}
