package registry

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/tlsclientconfig"
	"go.podman.io/image/v5/types"
	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote/auth"
)

// endpoint is one place where an image can be got.
type endpoint struct {
	ref       reference.Named
	host      string // of the URL: some are reached by another one than their name's
	reference string // tag or digest
	insecure  bool   // plain HTTP will do
	meant     bool   // it is the registry that the name says, not a mirror
	writes    bool   // something is put there
	http      *http.Client
	auth      *auth.Client
	scope     registry.Reference
	welcome   atomic.Bool // it has given something
	noParts   atomic.Bool // it has not given a part of a blob that it was asked for
	redirects redirects

	probe struct {
		sync.Mutex
		scheme string // "" as long as it is not known
	}
}

func newEndpoint(sys *types.SystemContext, s place, o Options) (*endpoint, error) {
	if !s.meant {
		// Credentials that were given for the registry are not for its mirrors.
		other := *sys
		other.DockerAuthConfig = nil
		sys = &other
	}
	e := &endpoint{ref: s.Reference, reference: referenceOf(s.Reference), meant: s.meant, insecure: s.Endpoint.Insecure}
	if o.TLSVerify != nil {
		e.insecure = !*o.TLSVerify
	}
	domain := reference.Domain(s.Reference)
	e.scope = registry.Reference{Registry: domain, Repository: reference.Path(s.Reference)}
	e.host = e.scope.Host()
	tlsConfig, err := tlsFor(sys, domain, e.insecure)
	if err != nil {
		return nil, fmt.Errorf("certificates for %s: %w", domain, err)
	}
	transport := tlsclientconfig.NewTransport()
	transport.TLSClientConfig = tlsConfig
	transport.DisableCompression = true // a range is one of the bytes as they are
	transport.ResponseHeaderTimeout = o.Idle
	transport.MaxIdleConnsPerHost = 16
	login := loginTransport{idleTransport{transport, o.Idle}, e.host, e.credential(sys)}
	e.http = &http.Client{Transport: encodingTransport{login}, CheckRedirect: checkRedirect}
	e.auth = &auth.Client{
		Client:     e.http,
		Cache:      auth.NewCache(),
		Credential: login.credential,
		Header:     http.Header{"User-Agent": {o.UserAgent}},
		ClientID:   o.UserAgent,
	}
	return e, nil
}

// tlsFor reads the certificates that are configured for a host.
func tlsFor(sys *types.SystemContext, host string, insecure bool) (*tls.Config, error) {
	c := &tls.Config{InsecureSkipVerify: insecure}
	if sys.DockerCertPath != "" {
		if _, err := os.Stat(sys.DockerCertPath); err != nil {
			return nil, errors.New(err.Error()) // the package takes one that is missing for empty
		}
		return c, tlsclientconfig.SetupCertificates(sys.DockerCertPath, c)
	}
	for _, dir := range certDirs() {
		dir = filepath.Join(dir, host)
		switch _, err := os.Stat(dir); {
		case err == nil:
			return c, tlsclientconfig.SetupCertificates(dir, c)
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission): // which podman passes over
			return nil, err
		}
	}
	return c, nil
}

// String names the endpoint in messages.
func (e *endpoint) String() string { return e.ref.String() }

// path returns the path of a manifest or a blob in the registry.
func (e *endpoint) path(kind, name string) string {
	return "/v2/" + reference.Path(e.ref) + "/" + kind + "/" + name
}

// get asks for a path of the registry.
func (e *endpoint) get(ctx context.Context, path string, header http.Header) (*http.Response, error) {
	return e.do(ctx, http.MethodGet, path, header, nil)
}

// do makes a request for a path of the registry, with its scheme found out first.
func (e *endpoint) do(ctx context.Context, method, path string, header http.Header, content []byte) (*http.Response, error) {
	scheme, err := e.scheme(ctx)
	if err != nil {
		return nil, err
	}
	return e.doURL(ctx, method, scheme+"://"+e.host+path, header, content)
}

// doURL makes a request for a URL, of this registry or where it sends us. Credentials are sent
// to the registry alone.
func (e *endpoint) doURL(ctx context.Context, method, url string, header http.Header, content []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if req.Header.Get("Accept") == "" {
		req.Header["Accept"] = accepted
	}
	actions := []string{auth.ActionPull}
	if e.writes {
		actions = append(actions, auth.ActionPush)
	}
	resp, err := e.auth.Do(req.WithContext(auth.AppendRepositoryScope(ctx, e.scope, actions...)))
	if err != nil {
		return nil, classify(err)
	}
	return resp, nil
}

// scheme is https, but where plain HTTP will do and nobody talks TLS.
func (e *endpoint) scheme(ctx context.Context) (string, error) {
	e.probe.Lock()
	defer e.probe.Unlock()
	if e.probe.scheme != "" || !e.insecure {
		return cmp.Or(e.probe.scheme, "https"), nil
	}
	var failures []error
	for _, scheme := range []string{"https", "http"} {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+e.host+"/v2/", nil)
		if err != nil {
			return "", err
		}
		resp, err := e.http.Do(req)
		switch {
		case err != nil:
		case scheme == "http" && resp.StatusCode == http.StatusBadRequest:
			err = errors.Join(errors.New("status 400 by plain HTTP"), resp.Body.Close()) // of one who talks TLS
		default:
			e.probe.scheme = scheme
			return scheme, resp.Body.Close()
		}
		failures = append(failures, withoutURL(err))
	}
	if failures[0].Error() == failures[1].Error() {
		failures = failures[:1]
	}
	return "", passing(errors.Join(failures...))
}
