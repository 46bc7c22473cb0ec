package faultproxy

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
)

// Fault answers a request for a blob or a manifest, by e.Forward, e.Fail or e.W.
type Fault func(e *Exchange)

// Pass lets a request through.
func Pass(e *Exchange) { e.Forward(nil) }

// Once is a fault that happens to the first request for each blob.
func Once(f Fault) Fault { return InOrder(f) }

// Times is a fault that happens to the first n requests for each blob.
func Times(n int, f Fault) Fault { return InOrder(slices.Repeat([]Fault{f}, n)...) }

// InOrder takes a fault for each request for a blob, until there are no more.
func InOrder(list ...Fault) Fault {
	return Choice(func(e *Exchange) Fault {
		if e.Nth < len(list) {
			return list[e.Nth]
		}
		return Pass
	})
}

// Then takes one fault for the first request for a blob, and another for all others.
func Then(first, others Fault) Fault {
	return Choice(func(e *Exchange) Fault {
		if e.Nth == 0 {
			return first
		}
		return others
	})
}

// To is a fault that happens to one blob alone.
func To(digest string, f Fault) Fault {
	return Choice(func(e *Exchange) Fault {
		if e.Blob == digest {
			return f
		}
		return Pass
	})
}

// Choice is the fault that is chosen for each request.
func Choice(choose func(*Exchange) Fault) Fault { return func(e *Exchange) { choose(e)(e) } }

// Breaks ends a body after n bytes.
func Breaks(how End, n int64) Fault {
	return func(e *Exchange) {
		e.Forward(func(a *http.Response) {
			a.Body = body{io.MultiReader(io.LimitReader(a.Body, n), failing{how}), a.Body}
		})
	}
}

// Hangs gives no answer until the client has gone, or the test is over.
func Hangs(e *Exchange) {
	select {
	case <-e.R.Context().Done():
	case <-e.p.ended:
	}
}

// body is one that is read otherwise.
type body struct {
	io.Reader
	io.Closer
}

type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }

// Truncates answers with the first n bytes alone, and says that they are all.
func Truncates(n int64) Fault {
	return func(e *Exchange) {
		e.Lie()
		e.Forward(func(a *http.Response) {
			n := min(n, a.ContentLength)
			a.Header.Set("Content-Length", strconv.FormatInt(n, 10))
			a.Body = body{io.LimitReader(a.Body, n), a.Body}
		})
	}
}

// Lengthens answers with n bytes more than there are.
func Lengthens(n int64) Fault {
	return func(e *Exchange) {
		e.Lie()
		e.Forward(func(a *http.Response) {
			a.Header.Set("Content-Length", strconv.FormatInt(a.ContentLength+n, 10))
			a.Body = body{io.MultiReader(a.Body, io.LimitReader(zeros{}, n)), a.Body}
		})
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// Flips answers with another byte at an offset of the body, or at the last.
func Flips(offset int64) Fault {
	return func(e *Exchange) {
		e.Lie()
		e.Forward(func(a *http.Response) {
			a.Body = body{&flipping{a.Body, min(offset, a.ContentLength-1)}, a.Body}
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

// AtByte calls do when n bytes of the body have come from the registry, and before the
// last of them go to the client.
func AtByte(n int, do func()) Fault {
	return func(e *Exchange) {
		e.Forward(func(a *http.Response) { a.Body = body{&counting{a.Body, n, do}, a.Body} })
	}
}

type counting struct {
	io.Reader
	left int
	do   func()
}

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	if c.left > 0 && c.left <= n {
		c.do()
	}
	c.left -= n
	return n, err
}

// IgnoresRange answers with all of a blob.
func IgnoresRange(e *Exchange) { IgnoresRangeAnd(Pass)(e) }

// IgnoresRangeAnd answers with all of a blob, to which something else happens.
func IgnoresRangeAnd(f Fault) Fault {
	return func(e *Exchange) {
		if e.R.Header.Get("Range") != "" {
			e.Lie()
			e.R.Header.Del("Range")
		}
		f(e)
	}
}

// WrongOffset answers 206 with what is n bytes further on than was asked for, and says
// so unless it lies.
func WrongOffset(n int64, lies bool) Fault {
	return func(e *Exchange) {
		from, to, ok := rangeOf(e.R)
		if !ok {
			Pass(e)
			return
		}
		e.Lie()
		e.R.Header.Set("Range", fmt.Sprintf("bytes=%d-%s", from+n, to))
		e.Forward(func(a *http.Response) {
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

// Says answers with a status alone. That a range cannot be had is a lie.
func Says(status int, headers ...string) Fault {
	return func(e *Exchange) {
		if status == http.StatusRequestedRangeNotSatisfiable {
			e.Lie()
		}
		e.Fail(status, headers...)
	}
}
