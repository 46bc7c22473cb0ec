package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/blob"
	"cfs/lib/corrupt"
	"cfs/lib/manifest"
)

// accepted are the manifests that are understood, or at least told apart.
var accepted = []string{strings.Join([]string{
	v1.MediaTypeImageManifest, v1.MediaTypeImageIndex, manifest.DockerManifest, manifest.DockerManifestList, "*/*;q=0.1",
}, ", ")}

// progress is how many bytes must come before a failure counts as the first one again.
const progress = 64 << 10

// Open opens a blob, a manifest or an index, from the byte at offset on. What is cut off
// or stalls is asked for again from where it was, as long as the budget of retries
// lasts, which is whole again after each 64 KiB. Then the error is temporary. The bytes
// are not verified. When a blob is opened from its start once more, as when it was wrong,
// another place is asked first.
func (i *Remote) Open(ctx context.Context, d v1.Descriptor, offset int64) (io.ReadCloser, error) {
	if err := d.Digest.Validate(); err != nil {
		return nil, corrupt.Errorf("digest %q: %w", d.Digest, err)
	}
	if d.Size == int64(len(i.text)) && offset <= d.Size && d.Digest == d.Digest.Algorithm().FromBytes(i.text) {
		return io.NopCloser(bytes.NewReader(i.text[offset:])), nil
	}
	b := &body{image: i, ctx: ctx, desc: d, offset: offset, end: d.Size, budget: i.options.budget(), sites: i.sites(d)}
	b.first, b.again = i.first(d, offset)
	if err := b.open(); err != nil {
		return nil, err
	}
	return b, nil
}

// ErrNoRanges means that nobody gives a part of a blob.
var ErrNoRanges = errors.New("the registry does not support range requests for the blob")

// OpenSpan opens a part of a blob as Open does. again is set if what came before was wrong:
// then another place is asked first. The error wraps ErrNoRanges if nobody gives parts. A place that
// has once answered in another way than with the part is not asked for one again.
func (i *Remote) OpenSpan(ctx context.Context, d v1.Descriptor, s blob.Span, again bool) (io.ReadCloser, error) {
	b := &body{image: i, ctx: ctx, desc: d, offset: s.Start, end: s.End, part: true, budget: i.options.budget(), sites: i.sites(d), first: i.current}
	if again {
		b.first++
	}
	if err := b.open(); err != nil {
		return nil, err
	}
	return b, nil
}

// body gives the bytes of a blob, over as many requests as that takes.
type body struct {
	image   *Remote
	ctx     context.Context
	desc    v1.Descriptor
	offset  int64 // of what comes next
	end     int64 // where what is wanted ends
	part    bool  // nothing else than that part will do
	budget  *budget
	sites   []site
	first   int   // the site that is asked first
	again   bool  // it was opened from its start before, an odd number of times
	since   int64 // bytes since the last failure
	current io.ReadCloser
	guessed bool // that what comes is the blob as it is, though it is called encoded
	noRange bool // all of the blob is asked for next, since the last answer was of another part
	err     error
}

func (b *body) Read(p []byte) (int, error) {
	for b.err == nil {
		n, err := b.current.Read(p)
		b.advance(n)
		switch {
		case b.offset > b.end:
			b.err = b.tooLong()
			return 0, b.err
		case err == io.EOF && b.offset == b.end:
			b.err = io.EOF
		case err != nil:
			b.resume(err)
		}
		if n > 0 || err == nil {
			return n, nil
		}
	}
	return 0, b.err
}

func (b *body) tooLong() error {
	if b.part {
		return fmt.Errorf("it sends more than the range up to byte %d: %w", b.end, ErrNoRanges)
	}
	return corrupt.Errorf("is longer than its %d bytes", b.desc.Size)
}

func (b *body) advance(n int) {
	b.offset += int64(n)
	if b.since += int64(n); b.since >= progress {
		b.budget.renew()
	}
}

// resume opens the blob again after an error.
func (b *body) resume(err error) {
	b.current.Close()
	b.since = 0
	if b.guessed && err == io.EOF { // and not cut off: it is too short for that
		b.again, b.guessed = !b.again, false
	}
	if err = b.budget.wait(b.ctx, cutOff(err)); err == nil {
		err = b.open()
	}
	if err != nil {
		b.err = fmt.Errorf("at byte %d: %w", b.offset, err)
	}
}

// open asks for what comes from the current offset on, until somebody gives it.
func (b *body) open() error {
	err := b.image.ask(b.ctx, b.sites, b.first, b.budget, b.request)
	switch {
	case err == nil || !manifest.IsForeign(b.desc.MediaType):
		return err
	case len(b.sites) == len(b.image.endpoints):
		return fmt.Errorf("a foreign layer, whose descriptor has no usable URL: %w", err)
	}
	return fmt.Errorf("a foreign layer: %w", err)
}

// request asks one site.
func (b *body) request(s site) error {
	if b.part {
		if s.noParts.Load() {
			return ErrNoRanges
		}
		if b.requestRedirected(s) {
			return nil
		}
	}
	resp, err := b.get(b.ctx, s)
	if err != nil {
		return err
	}
	if err := b.accept(s, resp); err != nil {
		return errors.Join(err, resp.Body.Close())
	}
	b.current = resp.Body
	return nil
}

// requestRedirected asks where the registry has sent who asked for a part of the blob before, which saves half of the
// round trips. Such an address holds for a while: if it does not give the part any more, the registry is asked.
func (b *body) requestRedirected(s site) bool {
	u := s.redirects.of(b.desc.Digest)
	if u == nil || s.url != nil {
		return false
	}
	resp, err := b.get(b.ctx, site{s.endpoint, u})
	if err == nil && resp.StatusCode == http.StatusPartialContent && b.checkPart(resp.Header) == nil {
		b.current = resp.Body
		return true
	}
	if err == nil {
		resp.Body.Close()
	}
	s.redirects.forget(b.desc.Digest, u)
	return false
}

// get sends the request, whose answer comes as it is: for a closed range, so that nobody sends more than is wanted.
func (b *body) get(ctx context.Context, s site) (*http.Response, error) {
	header := http.Header{}
	if b.ranged() {
		header.Set("Range", fmt.Sprintf("bytes=%d-%d", b.offset, b.end-1))
	}
	kind := "blobs"
	if manifest.IsManifest(b.desc.MediaType) {
		kind = "manifests"
	} else {
		header.Set("Accept", "*/*")
	}
	header.Set(acceptEncoding, identity)
	return s.get(ctx, kind, b.desc, header)
}

// ranged reports whether a part of the blob is asked for.
func (b *body) ranged() bool {
	return b.part || b.offset > 0 && b.offset < b.desc.Size && !b.noRange
}

// accept looks at an answer, and goes to the current offset if all of the blob comes
// where a part of it was asked for.
func (b *body) accept(s site, resp *http.Response) error {
	switch status := resp.StatusCode; {
	case b.part && refusesParts(status):
		s.noParts.Store(true)
		return fmt.Errorf("%w: status %d", ErrNoRanges, status)
	case b.part && status == http.StatusPartialContent:
		if err := b.checkPart(resp.Header); err != nil {
			s.noParts.Store(true)
			return fmt.Errorf("%w: %w", ErrNoRanges, err)
		}
		s.greet()
		if u := resp.Request.URL; s.url == nil && u.Host != s.host {
			s.redirects.note(b.desc.Digest, u)
		}
		return nil
	case status == http.StatusOK:
		s.greet()
		b.noRange = false
		if err := b.undoBlob(resp); err != nil {
			return err
		}
		if resp.ContentLength >= 0 && resp.ContentLength != b.desc.Size {
			return passing(corrupt.Errorf("the registry's response has %d bytes, want %d", resp.ContentLength, b.desc.Size))
		}
		if _, err := io.CopyN(io.Discard, resp.Body, b.offset); err != nil {
			return cutOff(err)
		}
		return nil
	case status == http.StatusPartialContent && b.ranged():
		if err := b.checkRange(resp.Header); err != nil {
			b.noRange = true
			return passing(err)
		}
		s.greet()
		return nil
	case status == http.StatusRequestedRangeNotSatisfiable:
		b.noRange = true
		return passing(errors.New("status 416: the registry has no such range of it"))
	}
	return s.failed(resp)
}

// refusesParts reports whether a status is how a server answers that has no parts for us: also with
// all of the blob.
func refusesParts(status int) bool {
	switch status {
	case http.StatusOK, http.StatusRequestedRangeNotSatisfiable, http.StatusBadRequest, http.StatusNotImplemented:
		return true
	}
	return false
}

// checkPart refuses any other part than the one that was asked for, and one of something of
// another size.
func (b *body) checkPart(header http.Header) error {
	want := fmt.Sprintf("bytes %d-%d/%d", b.offset, b.end-1, b.desc.Size)
	if got := header.Get("Content-Range"); got != want {
		return fmt.Errorf("it returned the range %.80q, want %q", got, want)
	}
	return nil
}

// checkRange refuses another part than was asked for (RFC 9110, 14.4), and one of what the
// blob was encoded to, whose size is another.
func (b *body) checkRange(header http.Header) error {
	s := header.Get("Content-Range")
	rest, ok := strings.CutPrefix(s, "bytes ")
	span, total, _ := strings.Cut(rest, "/")
	first, last, _ := strings.Cut(span, "-")
	start, err := strconv.ParseInt(first, 10, 64)
	end, endErr := strconv.ParseInt(last, 10, 64)
	if !ok || err != nil || endErr != nil || start != b.offset || end >= b.desc.Size {
		return fmt.Errorf("the registry returned the range %.80q, want bytes %d-%d", s, b.offset, b.desc.Size-1)
	}
	if encodings(header) != nil && total != strconv.FormatInt(b.desc.Size, 10) {
		return fmt.Errorf("the registry returned a range of encoded data, of %.40q bytes", total)
	}
	return nil
}

func (b *body) Close() error {
	if b.err == nil {
		b.err = errors.New("closed")
	}
	return b.current.Close()
}
