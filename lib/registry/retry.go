package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"cfs/lib/missing"
	"cfs/lib/temporary"
)

const (
	firstWait = 250 * time.Millisecond // doubled with each failure in a row
	maxWait   = 30 * time.Second       // that is doubled to
	maxAsked  = 2 * time.Minute        // that a registry may ask for
)

// passingError is a temporary error of a registry.
type passingError struct {
	error
	after time.Duration // how long the registry asks to wait
}

func (e *passingError) Unwrap() error { return e.error }

// passing marks an error as temporary.
func passing(err error) error { return &passingError{error: temporary.Errorf("%w", err)} }

// classify marks errors of a request that may pass, which are all of the network but
// those of certificates, credentials and redirects.
func classify(err error) error {
	var (
		request      *url.Error
		verification *tls.CertificateVerificationError
		response     *errcode.ErrorResponse
	)
	ofClient := errors.As(err, &request)
	name, isName := errors.AsType[*net.DNSError](err)
	switch {
	case errors.Is(err, errIdle):
		return passing(errIdle)
	case isName && name.IsNotFound:
		return withoutURL(err) // which no second question changes
	case errors.Is(err, context.Canceled):
		return withoutURL(err)
	case errors.As(err, &verification), errors.Is(err, http.ErrSchemeMismatch):
		return fmt.Errorf("%w (--tls-verify=false accepts it)", withoutURL(err))
	case errors.Is(err, auth.ErrBasicCredentialNotFound):
		return ErrLogin
	case errors.As(err, &response):
		return statusError(response.StatusCode, response.Errors.Error(), "")
	case errors.Is(err, errRedirects), errors.Is(err, errEncoding):
		return withoutURL(err)
	case ofClient:
		return passing(withoutURL(err))
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return passing(err) // in the answer of a token server
	}
	return withoutURL(err)
}

// cutOff marks an error while an answer was read, which always may pass.
func cutOff(err error) error {
	switch {
	case errors.Is(err, context.Canceled) && !errors.Is(err, errIdle):
		return err
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return passing(err)
}

// withoutURL drops the URL from an error: a redirect's may have secrets in its query.
func withoutURL(err error) error {
	u, ok := errors.AsType[*url.Error](err)
	switch {
	case !ok:
		return err
	case strings.Contains(u.Err.Error(), "://"):
		return errors.New("the registry, or a redirect, returned an unusable address")
	}
	return u.Err
}

// errRedirects means that redirects do not end.
var errRedirects = errors.New("more than ten redirects")

// checkRedirect drops the header that would tell the next host the URL of the one before,
// which may have secrets in its query. Who asks for referrers does not follow 303.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 { // as net/http does
		return errRedirects
	}
	if req.Response.StatusCode == http.StatusSeeOther && req.Context().Value(seeOther{}) != nil {
		return http.ErrUseLastResponse
	}
	req.Header.Del("Referer")
	return nil
}

// ErrLogin means that the registry wants credentials, or others than it was given.
var ErrLogin = errors.New("the registry requires a login, or rejected the credentials")

// failed is the error for an answer that is not what was asked for.
func (e *endpoint) failed(resp *http.Response) error {
	discard(resp)
	err := errors.New(http.StatusText(resp.StatusCode))
	refused := resp.StatusCode == http.StatusForbidden || resp.StatusCode == http.StatusUnauthorized
	switch {
	case refused && resp.Request.URL.Host != e.host:
		// It was redirected there, by a URL that holds for a while.
		return passing(fmt.Errorf("status %d at the redirect target: %w", resp.StatusCode, err))
	case refused && checkSchemes(resp.Header) != nil:
		return checkSchemes(resp.Header)
	case refused && e.welcome.Load():
		return passing(fmt.Errorf("status %d of a registry that accepted the login before: %w", resp.StatusCode, err))
	}
	return statusError(resp.StatusCode, http.StatusText(resp.StatusCode), resp.Header.Get("Retry-After"))
}

// discard reads the rest of an answer, so that the connection can be used again.
func discard(resp *http.Response) { io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) }

// statusError tells from an HTTP status what went wrong.
func statusError(status int, text, retryAfter string) error {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("%w: status %d", ErrLogin, status)
	case http.StatusNotFound:
		return missing.Errorf("the registry has no such image or blob")
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return fmt.Errorf("status %d: %.200q", status, text)
	}
	err := fmt.Errorf("status %d: %.200q", status, text)
	if status == http.StatusRequestTimeout || status == http.StatusTooManyRequests || status >= 500 {
		return &passingError{temporary.Errorf("%w", err), parseAfter(retryAfter)}
	}
	return err
}

// parseAfter reads a Retry-After header (RFC 9110, 10.2.3).
func parseAfter(s string) time.Duration {
	if seconds, err := strconv.ParseUint(s, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// budget is how much may go wrong before it is given up.
type budget struct {
	left, failures int
	options        Options
}

func (o Options) budget() *budget { return &budget{left: o.Retries, options: o} }

// renew is called when something went right.
func (b *budget) renew() { b.left, b.failures = b.options.Retries, 0 }

// wait waits before the same is done again, or returns the error if that is of no use.
func (b *budget) wait(ctx context.Context, err error) error {
	t, ok := errors.AsType[*passingError](err)
	switch {
	case !ok || b.left == 0:
		return err
	case t.after > maxAsked:
		return fmt.Errorf("%w; it asks to retry after %s", err, t.after.Round(time.Second))
	}
	b.left--
	// Half of the time is left to chance, so that many do not come back together.
	wait := min(firstWait<<min(b.failures, 20), maxWait)
	wait = max(wait/2+rand.N(wait/2+1), t.after)
	b.failures++
	if b.options.Retrying != nil {
		b.options.Retrying(err, wait)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
