package cmd

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// pass lets a request through.
func pass(e *exchange) { e.forward(nil) }

// once makes a fault that happens to the first request for each blob.
func once(f fault) fault { return inOrder(f) }

// times makes a fault that happens to the first n requests for each blob.
func times(n int, f fault) fault { return inOrder(slices.Repeat([]fault{f}, n)...) }

// inOrder makes a fault of one for each request for a blob, until there are no more.
func inOrder(list ...fault) fault {
	return choice(func(e *exchange) fault {
		if e.nth < len(list) {
			return list[e.nth]
		}
		return pass
	})
}

// then makes a fault of one for the first request for a blob, and one for the others.
func then(first, second fault) fault {
	return choice(func(e *exchange) fault {
		if e.nth == 0 {
			return first
		}
		return second
	})
}

// to makes a fault that happens to one blob alone.
func to(blob string, f fault) fault {
	return choice(func(e *exchange) fault {
		if e.blob == blob {
			return f
		}
		return pass
	})
}

// choice makes a fault of the one that is chosen for each request.
func choice(choose func(*exchange) fault) fault { return func(e *exchange) { choose(e)(e) } }

// breaks ends a body after n bytes.
func breaks(how bodyEnd, n int64) fault {
	return func(e *exchange) {
		e.forward(func(a *http.Response) { a.Body = limited(a.Body, n, how) })
	}
}

// limited is a body that ends after n bytes by an error.
func limited(body io.ReadCloser, n int64, end error) io.ReadCloser {
	return readCloser{io.MultiReader(io.LimitReader(body, n), failing{end}), body}
}

type readCloser struct {
	io.Reader
	io.Closer
}

type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }

// truncates answers with the first n bytes alone, and says that they are all.
func truncates(n int64) fault {
	return func(e *exchange) {
		e.lie()
		e.forward(func(a *http.Response) {
			n := min(n, a.ContentLength)
			a.Header.Set("Content-Length", strconv.FormatInt(n, 10))
			a.Body = readCloser{io.LimitReader(a.Body, n), a.Body}
		})
	}
}

// lengthens answers with n bytes more than there are.
func lengthens(n int64) fault {
	return func(e *exchange) {
		e.lie()
		e.forward(func(a *http.Response) {
			a.Header.Set("Content-Length", strconv.FormatInt(a.ContentLength+n, 10))
			a.Body = readCloser{io.MultiReader(a.Body, io.LimitReader(zeros{}, n)), a.Body}
		})
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// flips answers with another byte at an offset of the body, or at the last.
func flips(offset int64) fault {
	return func(e *exchange) {
		e.lie()
		e.forward(func(a *http.Response) {
			a.Body = readCloser{&flipping{a.Body, min(offset, a.ContentLength-1)}, a.Body}
		})
	}
}

type flipping struct {
	io.Reader
	left int64 // bytes before the one
}

func (f *flipping) Read(b []byte) (int, error) {
	n, err := f.Reader.Read(b)
	if f.left >= 0 && f.left < int64(n) {
		b[f.left] ^= 0x55
	}
	f.left -= int64(n)
	return n, err
}

// ignoresRange answers with all of a blob.
func ignoresRange(e *exchange) {
	if e.r.Header.Get("Range") != "" {
		e.lie()
		e.r.Header.Del("Range")
	}
	e.forward(nil)
}

// wrongOffset answers 206 with what is n bytes further on than was asked for, and says
// so unless it lies.
func wrongOffset(n int64, lies bool) fault {
	return func(e *exchange) {
		from, to, ok := rangeOf(e.r)
		if !ok {
			pass(e)
			return
		}
		e.lie()
		e.r.Header.Set("Range", fmt.Sprintf("bytes=%d-%s", from+n, to))
		e.forward(func(a *http.Response) {
			var start, end, size int64
			if _, err := fmt.Sscanf(a.Header.Get("Content-Range"), "bytes %d-%d/%d", &start, &end, &size); err == nil && lies {
				a.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", start-n, end-n, size))
			}
		})
	}
}

// rangeOf returns the bounds of a range as they stand in a request; to may be "".
func rangeOf(r *http.Request) (from int64, to string, ok bool) {
	if n, _ := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%s", &from, &to); n == 0 {
		return 0, "", false
	}
	return from, to, true
}

// says answers with a status alone. That a range cannot be had is a lie.
func says(status int, headers ...string) fault {
	return func(e *exchange) {
		if status == http.StatusRequestedRangeNotSatisfiable {
			e.lie()
		}
		e.fail(status, headers...)
	}
}

// slow is a body of which nothing comes for a time.
func slow(body io.ReadCloser, pause time.Duration) io.ReadCloser {
	return readCloser{&slowReader{body, pause}, body}
}

type slowReader struct {
	io.Reader
	pause time.Duration
}

func (s *slowReader) Read(b []byte) (int, error) {
	time.Sleep(s.pause)
	s.pause = 0
	return s.Reader.Read(b)
}
