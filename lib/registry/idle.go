package registry

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// errIdle means that a connection gave nothing for too long.
var errIdle = errors.New("the connection has stalled")

// idleTransport ends connections that give nothing, whoever reads the answer.
type idleTransport struct {
	*http.Transport
	idle time.Duration
}

func (t idleTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	resp, err := t.Transport.RoundTrip(req.WithContext(ctx))
	if err != nil {
		cancel(nil)
		return nil, err
	}
	resp.Body = watch(resp.Body, t.idle, cancel)
	return resp, nil
}

// watch returns a reader of in whose reads, when one takes longer than idle, call cancel
// and fail with errIdle.
func watch(in io.ReadCloser, idle time.Duration, cancel context.CancelCauseFunc) io.ReadCloser {
	w := &watched{in: in, idle: idle, cancel: cancel}
	if idle > 0 {
		w.timer = time.AfterFunc(idle, w.stall)
	}
	return w
}

type watched struct {
	in      io.ReadCloser
	idle    time.Duration
	timer   *time.Timer
	stalled atomic.Bool
	cancel  context.CancelCauseFunc
}

func (w *watched) stall() {
	w.stalled.Store(true)
	w.cancel(errIdle)
}

func (w *watched) Read(p []byte) (int, error) {
	if w.timer != nil {
		w.timer.Reset(w.idle)
	}
	n, err := w.in.Read(p)
	if w.timer != nil {
		w.timer.Stop()
	}
	if err != nil && err != io.EOF && w.stalled.Load() {
		err = errIdle
	}
	return n, err
}

func (w *watched) Close() error {
	if w.timer != nil {
		w.timer.Stop()
	}
	w.cancel(nil)
	return w.in.Close()
}
