package registry

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/manifest"
	"cfs/lib/temporary"
)

// site is one place that is asked for a blob: the registry, a mirror of it, or one of the
// URLs in the blob's descriptor.
type site struct {
	*endpoint          // of a URL, the one whose connections are used
	url       *url.URL // nil if the endpoint is the site
}

// String names the site in messages. A URL may have secrets in its query.
func (s site) String() string {
	if s.url != nil {
		return "its URL at " + s.url.Host
	}
	return s.endpoint.String()
}

// maxURLs is how many URLs of a descriptor are asked.
const maxURLs = 16

// sites returns where a blob is asked for, in order: a foreign layer at its URLs before the
// registry, which may have it all the same, and other blobs there last.
func (i *Remote) sites(d v1.Descriptor) []site {
	var list, urls []site
	for _, e := range i.endpoints {
		list = append(list, site{e, nil})
	}
	for _, s := range d.URLs[:min(len(d.URLs), maxURLs)] {
		u, err := url.Parse(s)
		if err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil {
			urls = append(urls, site{i.endpoints[i.current], u})
		}
	}
	if manifest.IsForeign(d.MediaType) {
		return append(urls, list...)
	}
	return append(list, urls...)
}

// get asks for a blob. URLs are asked without credentials, which are for the registry.
func (s site) get(ctx context.Context, kind string, d v1.Descriptor, header http.Header) (*http.Response, error) {
	if s.url == nil {
		return s.endpoint.get(ctx, s.endpoint.path(kind, d.Digest.String()), header)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header = header
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, classify(err)
	}
	return resp, nil
}

// greet notes that the registry has let us in.
func (s site) greet() {
	if s.url == nil {
		s.welcome.Store(true)
	}
}

// failed is the error for an answer that is not what was asked for.
func (s site) failed(resp *http.Response) error {
	if s.url == nil {
		return s.endpoint.failed(resp)
	}
	discard(resp)
	switch resp.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound: // which say nothing of the registry
		return fmt.Errorf("status %d: %q", resp.StatusCode, http.StatusText(resp.StatusCode))
	}
	return statusError(resp.StatusCode, http.StatusText(resp.StatusCode), resp.Header.Get("Retry-After"))
}

// failures is what went wrong at sites.
type failures struct {
	registry error // of the registry itself, else of the first mirror
	url      error // of the first URL that may work later, else of the first one
}

// add notes an error of a site. last is the registry itself, behind its mirrors.
func (f *failures) add(s site, last *endpoint, err error) {
	err = fmt.Errorf("%s: %w", s, err)
	switch {
	case s.url == nil && (f.registry == nil || s.endpoint == last):
		f.registry = err
	case s.url != nil && (f.url == nil || temporary.Is(err) && !temporary.Is(f.url)):
		f.url = err
	}
}

// join returns what the registry says, and what the URLs do. It may pass if one of them may.
func (f *failures) join() error {
	switch {
	case f.url == nil:
		return f.registry
	case f.registry == nil:
		return f.url
	case !temporary.Is(f.registry) && temporary.Is(f.url):
		return passing(fmt.Errorf("%w; %w", f.registry, f.url))
	}
	return fmt.Errorf("%w; %v", f.registry, f.url)
}
