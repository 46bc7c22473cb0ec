package cmd

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// faultProxy stands before a registry. It does to the answers about blobs what a test
// wants, and counts what of them clients get.
type faultProxy struct {
	registry        // as clients see it
	upstream string // the registry behind it, HOST:PORT
	fault    fault  // of blobs
	manifest fault  // of manifests
	kill     killer

	ended chan struct{} // closed at the end of the test
	flow  sync.RWMutex  // held for writing while nothing may go to clients

	mu      sync.Mutex
	traffic map[string]*traffic // by digest
	last    map[net.Conn]string // for each connection, the last blob that went there
}

// traffic is what happened to a blob.
type traffic struct {
	requests  int
	delivered int64 // bytes of its body
	cuts      int   // bodies that ended early
	lies      int   // bodies, or what is said about them, that were wrong
}

// fault handles a request for a blob or a manifest; it calls e.forward or e.fail.
type fault func(e *exchange)

// exchange is a request for a blob, and the answer to it.
type exchange struct {
	*faultProxy
	w    http.ResponseWriter
	r    *http.Request
	conn net.Conn
	blob string
	nth  int // how many requests for the blob came before
}

type connKey struct{}

// newFaultProxy starts a proxy that does nothing yet.
func newFaultProxy(t testing.TB, behind *registry) *faultProxy {
	t.Helper()
	p := &faultProxy{
		registry: *behind, upstream: behind.addr, fault: pass, manifest: pass, ended: make(chan struct{}),
		traffic: map[string]*traffic{}, last: map[net.Conn]string{},
	}
	s := httptest.NewUnstartedServer(p)
	s.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) }
	s.Config.ConnState = p.connState
	s.Start()
	t.Cleanup(func() {
		close(p.ended)
		s.Close()
	})
	p.addr = s.Listener.Addr().String()
	return p
}

func (p *faultProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e := &exchange{faultProxy: p, w: w, r: r, conn: r.Context().Value(connKey{}).(net.Conn)}
	_, blob, isBlob := strings.Cut(r.URL.Path, "/blobs/sha256:")
	handle := p.fault
	switch {
	case r.Method != http.MethodGet:
		handle = pass
	case isBlob:
		e.blob = "sha256:" + blob
	case strings.Contains(r.URL.Path, "/manifests/"):
		handle, e.blob = p.manifest, manifests
	default:
		handle = pass
	}
	e.nth = p.note(e, func(t *traffic) { t.requests++ }).requests - 1
	handle(e)
}

// manifests is what the proxy knows all manifests together by, instead of a digest.
const manifests = "manifests"

// note changes what is known about the blob of an exchange, and returns it.
func (p *faultProxy) note(e *exchange, change func(*traffic)) traffic {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.traffic[e.blob] == nil {
		p.traffic[e.blob] = &traffic{}
	}
	change(p.traffic[e.blob])
	return *p.traffic[e.blob]
}

// of returns what happened to a blob.
func (p *faultProxy) of(blob string) traffic { return p.note(&exchange{blob: blob}, func(*traffic) {}) }

// total adds up what happened to all blobs.
func (p *faultProxy) total() (sum traffic) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for blob, t := range p.traffic {
		if !isDigest(blob) {
			continue
		}
		sum = traffic{sum.requests + t.requests, sum.delivered + t.delivered, sum.cuts + t.cuts, sum.lies + t.lies}
	}
	return sum
}

func isDigest(blob string) bool { return strings.HasPrefix(blob, "sha256:") }

// lie counts one about the blob.
func (e *exchange) lie() { e.note(e, func(t *traffic) { t.lies++ }) }

// fail answers instead of the registry; headers are names and values.
func (e *exchange) fail(status int, headers ...string) {
	for i := 0; i < len(headers); i += 2 {
		e.w.Header().Set(headers[i], headers[i+1])
	}
	http.Error(e.w, `{"errors":[{"code":"UNKNOWN","message":"the proxy of a test wants it so"}]}`, status)
}

// forward asks the registry, and hands on its answer as change leaves it.
func (e *exchange) forward(change func(*http.Response)) {
	out := e.r.Clone(e.r.Context())
	out.URL.Scheme, out.URL.Host, out.RequestURI = "http", e.upstream, ""
	answer, err := http.DefaultTransport.RoundTrip(out)
	if err != nil {
		http.Error(e.w, err.Error(), http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	if change != nil {
		change(answer)
	}
	for name, values := range answer.Header {
		e.w.Header()[name] = values
	}
	e.w.WriteHeader(answer.StatusCode)
	e.deliver(answer.Body, isDigest(e.blob) && answer.StatusCode/100 == 2)
}

// deliver hands on a body, and counts it if it is a blob's.
func (e *exchange) deliver(body io.Reader, counts bool) {
	if counts {
		e.setLast(e.conn, e.blob)
	}
	buffer := make([]byte, 16<<10)
	for {
		n, err := body.Read(buffer)
		if e.write(buffer[:n], counts) != nil {
			return // the client has gone
		}
		if end, ok := err.(bodyEnd); ok {
			e.end(end)
		}
		if err != nil {
			return
		}
	}
}

// connState remembers connections that live.
func (p *faultProxy) connState(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		p.setLast(c, "")
	case http.StateClosed, http.StateHijacked:
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.last, c)
	}
}

func (p *faultProxy) setLast(c net.Conn, blob string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last[c] = blob
}

// write hands a piece of a body on, and sees to it that it goes on its way.
func (e *exchange) write(piece []byte, counts bool) error {
	if counts {
		if err := e.kill.before(e, len(piece)); err != nil {
			return err
		}
	}
	e.flow.RLock()
	defer e.flow.RUnlock()
	if counts && e.kill.done.Load() {
		return errKilled
	}
	if _, err := e.w.Write(piece); err != nil {
		return err
	}
	if err := http.NewResponseController(e.w).Flush(); err != nil {
		return err
	}
	if counts {
		e.note(e, func(t *traffic) { t.delivered += int64(len(piece)) })
	}
	return nil
}

// bodyEnd is the error by which a body ends before its time.
type bodyEnd int

const (
	endCut   bodyEnd = iota // the connection ends
	endReset                // the connection is reset
	endStall                // nothing more comes
)

func (b bodyEnd) Error() string { return fmt.Sprintf("the body ends early (%d)", int(b)) }

// end breaks an answer off, when the client has read all that was sent of it.
func (e *exchange) end(how bodyEnd) {
	e.note(e, func(t *traffic) { t.cuts++ })
	drain(e.conn)
	if how == endStall {
		select {
		case <-e.r.Context().Done():
		case <-e.ended:
		}
	}
	conn, _, err := http.NewResponseController(e.w).Hijack()
	if err != nil {
		panic(err) // it is HTTP/1.1
	}
	if tcp, ok := conn.(*net.TCPConn); ok && how == endReset {
		tcp.SetLinger(0) // then closing resets
	}
	conn.Close()
}
