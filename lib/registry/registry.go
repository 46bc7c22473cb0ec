// Package registry gets manifests and blobs from registries by the OCI distribution protocol, and
// pushes artifacts, with the user's configuration: registries.conf with its mirrors, auth.json
// and credential helpers, certs.d, proxies.
//
// A blob can be read from any offset, and interrupted transfers are resumed where they stopped,
// up to a retry budget. Signatures are not verified, and policy.json is not read: content is
// trusted by its digest.
package registry

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker/reference"

	"cfs/lib/corrupt"
	"cfs/lib/manifest"
	"cfs/lib/policy"
)

// Options say how registries are reached. The zero value is what is configured.
type Options struct {
	AuthFile  string        // instead of the configured ones
	Username  string        // for the registry itself, not for its mirrors
	Password  string        // of Username
	CertDir   string        // certificates, instead of those in certs.d
	TLSVerify *bool         // false: take any certificate, and plain HTTP
	Retries   int           // how often in a row a request may fail before it is given up
	Idle      time.Duration // how long a connection may give nothing, 0 for ever
	UserAgent string
	Policy    *policy.Policy // which images are accepted; nil: all

	// Retrying is told when a request is about to be made again, if it is set.
	Retrying func(err error, wait time.Duration)
}

// Remote is an image in a registry, or in the mirrors of it.
type Remote struct {
	options   Options
	endpoints []*endpoint
	current   int    // the endpoint which had the manifest
	text      []byte // what the name stands for: asking again would count against limits

	mu     sync.Mutex
	opened map[digest.Digest]int // how often a blob was opened from its start
}

// Open finds out where the image HOST/NAME[:TAG|@DIGEST] is to be got. The error wraps
// ErrName if that is no such name.
func Open(name string, o Options) (*Remote, error) {
	sys, err := o.systemContext()
	if err != nil {
		return nil, err
	}
	sources, err := resolve(sys, name, o.Policy)
	if err != nil {
		return nil, err
	}
	i := &Remote{options: o, opened: make(map[digest.Digest]int)}
	for _, s := range sources {
		e, err := newEndpoint(sys, s, o)
		if err != nil {
			return nil, err
		}
		i.endpoints = append(i.endpoints, e)
	}
	return i, nil
}

// Close closes idle connections.
func (i *Remote) Close() error {
	for _, e := range i.endpoints {
		e.http.CloseIdleConnections()
	}
	return nil
}

// Manifest returns the descriptor of what the image's name stands for, a manifest or an
// index. The error wraps fs.ErrNotExist if there is none.
func (i *Remote) Manifest(ctx context.Context) (v1.Descriptor, error) {
	var top v1.Descriptor
	err := i.ask(ctx, i.sites(v1.Descriptor{}), 0, i.options.budget(), func(s site) (err error) {
		if top, i.text, err = s.top(ctx); err == nil {
			i.current = slices.Index(i.endpoints, s.endpoint)
		}
		return err
	})
	return top, err
}

// first returns the site that is asked first for a blob: the first URL of a foreign layer,
// else that which had the manifest; or, each time that the blob is opened from its start
// again, the next one. again reports whether it was, an odd number of times.
func (i *Remote) first(d v1.Descriptor, offset int64) (n int, again bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	n, again = i.opened[d.Digest], i.opened[d.Digest]%2 == 1
	if !manifest.IsForeign(d.MediaType) {
		n += i.current
	}
	if offset == 0 {
		i.opened[d.Digest]++
	}
	return n, again
}

// ask asks each site, from the first on, until one has what is wanted, and does so
// again while what goes wrong may pass.
func (i *Remote) ask(ctx context.Context, sites []site, first int, b *budget, request func(site) error) error {
	return again(ctx, b, func() error { return i.askEach(sites, first, request) })
}

// again does something until it works, while what goes wrong may pass.
func again(ctx context.Context, b *budget, do func() error) error {
	for {
		err := do()
		if err == nil {
			return nil
		}
		if err := b.wait(ctx, err); err != nil {
			return err
		}
	}
}

// askEach asks each site once. The error is that of the registry itself, which is the last
// endpoint.
func (i *Remote) askEach(sites []site, first int, request func(site) error) error {
	var failed failures
	for n := range sites {
		s := sites[(first+n)%len(sites)]
		err := request(s)
		if err == nil {
			return nil
		}
		failed.add(s, i.endpoints[len(i.endpoints)-1], err)
		if errors.Is(err, context.Canceled) {
			break
		}
	}
	return failed.join()
}

// top gets the manifest or index that the image's name stands for.
func (e *endpoint) top(ctx context.Context) (d v1.Descriptor, text []byte, err error) {
	resp, err := e.get(ctx, e.path("manifests", e.reference), nil)
	if err != nil {
		return d, nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return d, nil, e.failed(resp)
	}
	if text, err = readDocument(resp, "manifest "+e.reference); err != nil {
		return d, nil, err
	}
	d = v1.Descriptor{MediaType: manifest.TypeOf(text), Digest: digest.FromBytes(text), Size: int64(len(text))}
	if want, err := digest.Parse(e.reference); err == nil {
		if d.Digest = want.Algorithm().FromBytes(text); d.Digest != want {
			return d, nil, corrupt.Errorf("manifest %s: the registry's response has the digest %s", want, d.Digest)
		}
	}
	if d.MediaType == "" {
		return d, nil, corrupt.Errorf("manifest %s: the registry's response is not JSON", d.Digest)
	}
	return d, text, nil
}

// referenceOf returns the tag or the digest of a reference.
func referenceOf(ref reference.Named) string {
	if d, ok := ref.(reference.Digested); ok {
		return d.Digest().String()
	}
	return reference.TagNameOnly(ref).(reference.Tagged).Tag()
}
