package faultproxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
)

// Exchange is a request for a blob or a manifest, and the answer to it.
type Exchange struct {
	W    http.ResponseWriter
	R    *http.Request
	Blob string // its digest
	Nth  int    // how many requests for the blob came before

	p    *Proxy
	conn net.Conn
}

// Lie counts one about the blob.
func (e *Exchange) Lie() { e.p.note(e.Blob, func(t *Traffic) { t.Lies++ }) }

// Fail answers instead of the registry. Headers are names and values.
func (e *Exchange) Fail(status int, headers ...string) {
	for i := 0; i < len(headers); i += 2 {
		e.W.Header().Set(headers[i], headers[i+1])
	}
	http.Error(e.W, `{"errors":[{"code":"UNKNOWN","message":"the proxy of a test wants it so"}]}`, status)
}

// Forward asks the registry what R asks, and hands on its answer as change leaves it. An
// error of type End when the body of that is read breaks the answer off.
func (e *Exchange) Forward(change func(*http.Response)) {
	out := e.R.Clone(e.R.Context())
	out.URL.Scheme, out.URL.Host, out.RequestURI = "http", e.p.upstream, ""
	// Not by the default transport: who closes a test server ends its connections.
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(out)
	if err != nil {
		http.Error(e.W, err.Error(), http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	if change != nil {
		change(answer)
	}
	for name, values := range answer.Header {
		e.W.Header()[name] = values
	}
	e.W.WriteHeader(answer.StatusCode)
	e.deliver(answer.Body, isDigest(e.Blob) && answer.StatusCode/100 == 2)
}

// deliver hands on a body, and counts it if it is a blob's.
func (e *Exchange) deliver(body io.Reader, counts bool) {
	if counts {
		e.p.setLast(e.conn, e.Blob)
	}
	buffer := make([]byte, 16<<10)
	for {
		n, err := body.Read(buffer)
		if e.write(buffer[:n], counts) != nil {
			return // the client has gone
		}
		if how, ok := err.(End); ok {
			e.end(how)
		}
		if err != nil {
			return
		}
	}
}

// write hands a piece of a body on, and sees to it that it goes on its way.
func (e *Exchange) write(piece []byte, counts bool) error {
	if counts {
		if err := e.p.kill.before(e, len(piece)); err != nil {
			return err
		}
	}
	e.p.flow.RLock()
	defer e.p.flow.RUnlock()
	if counts && e.p.kill.done.Load() {
		return errKilled
	}
	if _, err := e.W.Write(piece); err != nil {
		return err
	}
	if err := http.NewResponseController(e.W).Flush(); err != nil {
		return err
	}
	if counts {
		e.p.note(e.Blob, func(t *Traffic) { t.Delivered += int64(len(piece)) })
	}
	return nil
}

// End is the error by which a body ends before its time.
type End int

// How a body may end before its time.
const (
	Cut   End = iota // the connection ends
	Reset            // the connection is reset
	Stall            // nothing more comes
)

// Error says how a body ended.
func (how End) Error() string { return fmt.Sprintf("the body ends early (%d)", int(how)) }

// end breaks an answer off, when the client has read all that was sent of it.
func (e *Exchange) end(how End) {
	drain(e.conn)
	e.p.note(e.Blob, func(t *Traffic) { t.Cuts++ })
	if how == Stall {
		Hangs(e)
	}
	conn, _, err := http.NewResponseController(e.W).Hijack()
	if err != nil {
		panic(err) // it is HTTP/1.1
	}
	if tcp, ok := conn.(*net.TCPConn); ok && how == Reset {
		tcp.SetLinger(0) // then closing resets
	}
	conn.Close()
}
