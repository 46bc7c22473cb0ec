package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/blob"
	"cfs/lib/manifest"
	"cfs/lib/temporary"
)

// PutBlob puts a blob there, unless it is.
func (t *Target) PutBlob(ctx context.Context, d digest.Digest, content []byte) error {
	there, err := t.has(ctx, "blobs", d)
	if err != nil || there {
		return err
	}
	return again(ctx, t.options.budget(), func() error { return t.upload(ctx, d, content) })
}

// upload puts a blob there in one piece, where the registry says.
func (t *Target) upload(ctx context.Context, d digest.Digest, content []byte) error {
	resp, err := t.do(ctx, http.MethodPost, t.path("blobs", "uploads/"), nil, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		return t.failed(resp)
	}
	discard(resp)
	to, err := resp.Request.URL.Parse(resp.Header.Get("Location"))
	if err != nil || to.Host == "" || to.Scheme != resp.Request.URL.Scheme && to.Scheme != "https" {
		return errors.New("the registry returned no usable upload location")
	}
	query := to.Query()
	query.Set("digest", d.String())
	to.RawQuery = query.Encode()
	return t.put(ctx, to, http.Header{"Content-Type": {"application/octet-stream"}}, content, nil)
}

// PutArtifact puts the manifest of an artifact there. listed reports whether the registry lists
// it now among those that refer to its subject.
func (t *Target) PutArtifact(ctx context.Context, d v1.Descriptor, text []byte, subject digest.Digest) (listed bool, err error) {
	err = again(ctx, t.options.budget(), func() error {
		return t.putPath(ctx, t.path("manifests", d.Digest.String()), http.Header{"Content-Type": {d.MediaType}}, text, func(resp *http.Response) {
			listed = resp.Header.Get("OCI-Subject") == subject.String()
		})
	})
	return listed, err
}

func (t *Target) putPath(ctx context.Context, path string, header http.Header, content []byte, look func(*http.Response)) error {
	scheme, err := t.scheme(ctx)
	if err != nil {
		return err
	}
	return t.put(ctx, &url.URL{Scheme: scheme, Host: t.host, Path: path}, header, content, look)
}

// errRaced means that what was to be replaced is another one by now.
var errRaced = errors.New("it was changed concurrently")

// put makes a request that creates something. look, if it is not nil, sees the answer when it
// is created.
func (t *Target) put(ctx context.Context, to *url.URL, header http.Header, content []byte, look func(*http.Response)) error {
	resp, err := t.doURL(ctx, http.MethodPut, to.String(), header, content)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusNoContent:
		discard(resp)
		if look != nil {
			look(resp)
		}
		return nil
	case http.StatusPreconditionFailed, http.StatusConflict:
		discard(resp)
		return errRaced
	}
	return t.failed(resp)
}

// maxRaces is how often the index of a subject is read anew because somebody else changed it.
const maxRaces = 50

// List adds artifacts to the index that clients keep for a subject under a tag, where the
// registry does not list them itself. What others add at the same time stays: the index is
// replaced only as it was read, and, as not all registries heed that, read once more after.
func (t *Target) List(ctx context.Context, list []v1.Descriptor, subject digest.Digest) error {
	for range maxRaces {
		done, err := t.tryList(ctx, list, subject)
		if done || err != nil {
			return err
		}
		select {
		case <-time.After(rand.N(100 * time.Millisecond)): // so that many do not meet again
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return temporary.Errorf("tag %s: it was changed concurrently %d times", manifest.ReferrersTag(subject), maxRaces)
}

// tryList reports whether all are in the index. If not, they were added, as far as nobody else
// came between.
func (t *Target) tryList(ctx context.Context, list []v1.Descriptor, subject digest.Digest) (done bool, err error) {
	tag := manifest.ReferrersTag(subject)
	err = again(ctx, t.options.budget(), func() error {
		text, etag, err := t.referrersTag(ctx, subject)
		if err != nil {
			return err
		}
		if text != nil && !isReferrersIndex(text) {
			return errors.New("it is not an index of referrers, and was not changed")
		}
		index, err := manifest.AddToIndex(text, list)
		if done = bytes.Equal(index, text); err != nil || done {
			return err
		}
		if len(index) > blob.MaxJSON {
			return fmt.Errorf("the index of referrers would be larger than %d bytes", blob.MaxJSON)
		}
		header := http.Header{"Content-Type": {v1.MediaTypeImageIndex}}
		switch {
		case text == nil:
			header.Set("If-None-Match", "*")
		case etag != "":
			header.Set("If-Match", etag)
		}
		return t.putPath(ctx, t.path("manifests", tag), header, index, nil)
	})
	switch {
	case errors.Is(err, errRaced):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("tag %s: %w", tag, err)
	}
	return done, nil
}
