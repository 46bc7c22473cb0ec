package registrytest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
)

// Conditional is a registry that replaces a manifest under a tag only if the condition of the
// request holds (RFC 9110, 13.1), which not all do. It counts what it refused.
type Conditional struct {
	Registry http.Handler

	mu      sync.Mutex
	refused int
}

// Refused returns how many requests it refused.
func (c *Conditional) Refused() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refused
}

func (c *Conditional) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.Contains(r.URL.Path, "/manifests/") {
		c.Registry.ServeHTTP(w, r)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	etag := c.etag(r.URL.Path)
	match, none := r.Header.Get("If-Match"), r.Header.Get("If-None-Match")
	switch {
	case r.Method != http.MethodPut:
		if etag != "" {
			w.Header().Set("ETag", etag)
		}
	case match != "" && match != etag, none == "*" && etag != "":
		c.refused++
		w.WriteHeader(http.StatusPreconditionFailed)
		return
	}
	c.Registry.ServeHTTP(w, r)
}

// etag returns the ETag of what is there, "" if nothing is.
func (c *Conditional) etag(path string) string {
	now := httptest.NewRecorder()
	c.Registry.ServeHTTP(now, httptest.NewRequest(http.MethodHead, path, nil))
	if now.Code != http.StatusOK {
		return ""
	}
	return `"` + now.Header().Get("Docker-Content-Digest") + `"`
}
