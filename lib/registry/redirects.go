package registry

import (
	"net/url"
	"sync"

	"github.com/opencontainers/go-digest"
)

// redirects are the addresses to which a registry has sent who asked for parts of blobs. They may have secrets in
// their queries, and are asked without credentials.
type redirects struct {
	mu   sync.Mutex
	urls map[digest.Digest]*url.URL
}

// of returns the address for a blob, nil if none is known.
func (r *redirects) of(d digest.Digest) *url.URL {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.urls[d]
}

func (r *redirects) note(d digest.Digest, u *url.URL) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.urls == nil {
		r.urls = make(map[digest.Digest]*url.URL)
	}
	r.urls[d] = u
}

// forget forgets an address, if it is still the one for the blob.
func (r *redirects) forget(d digest.Digest, u *url.URL) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.urls[d] == u {
		delete(r.urls, d)
	}
}
