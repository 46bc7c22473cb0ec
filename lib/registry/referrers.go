package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/blob"
	"cfs/lib/corrupt"
	"cfs/lib/manifest"
)

const (
	maxPages    = 1000 // of one list of referrers; those of blob.MaxJSON bytes in all are read
	maxListed   = 1000 // artifacts of one list that may be those of an image
	referrersOf = "referrers"
)

// Referrers returns what the registry lists that may be artifacts of signatures of a manifest
// (distribution-spec, "Listing Referrers"), by the tag of such lists where it has none. It asks
// the places of the image, from the one on that had its manifest: the first list that is not
// empty counts, and that there is none only the registry itself can say. No error of it is
// taken for that; of errors that may pass it is asked again, as for blobs.
func (i *Remote) Referrers(ctx context.Context, subject digest.Digest) (list []v1.Descriptor, err error) {
	err = again(ctx, i.options.budget(), func() (err error) {
		list, err = i.askReferrers(ctx, subject)
		return err
	})
	return list, err
}

func (i *Remote) askReferrers(ctx context.Context, subject digest.Digest) (list []v1.Descriptor, err error) {
	for _, e := range i.endpoints[i.current:] {
		list, err = e.referrers(ctx, subject)
		if err != nil {
			err = fmt.Errorf("%s: %w", e, err)
		}
		if e.meant || len(list) > 0 || errors.Is(err, context.Canceled) {
			break
		}
	}
	return list, err
}

// seeOther is the key of a context whose requests do not follow the redirect 303, to a page
// for people: a registry that answers so has no list of referrers.
type seeOther struct{}

// referrers asks one place. It returns no list with an error.
func (e *endpoint) referrers(ctx context.Context, subject digest.Digest) ([]v1.Descriptor, error) {
	l := &listing{endpoint: e, subject: subject}
	path := e.path(referrersOf, subject.String()) + "?artifactType=" + url.QueryEscape(manifest.SignatureArtifact)
	for page := 0; path != ""; page++ {
		if page == maxPages {
			return nil, corrupt.Errorf("more than %d pages of referrers", maxPages)
		}
		next, err := l.page(context.WithValue(ctx, seeOther{}, true), path)
		if errors.Is(err, errNoList) && page == 0 {
			return e.taggedReferrers(ctx, subject)
		}
		if err != nil {
			return nil, err
		}
		path = next
	}
	return l.found, nil
}

// listing is a list of referrers that is read page by page.
type listing struct {
	*endpoint
	subject digest.Digest
	size    int
	found   []v1.Descriptor
}

// errNoList means that a registry has no lists of referrers.
var errNoList = errors.New("the registry no longer has this list of referrers")

// page reads one page, and returns the path of the next one, "" if it is the last.
func (l *listing) page(ctx context.Context, path string) (next string, err error) {
	resp, err := l.get(ctx, path, http.Header{"Accept": {v1.MediaTypeImageIndex}})
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusSeeOther:
		discard(resp)
		return "", errNoList
	default:
		return "", l.failed(resp)
	}
	text, err := readDocument(resp, "the list of referrers")
	switch {
	case err != nil:
		return "", err
	case len(text) == 0:
		return "", passing(io.ErrUnexpectedEOF)
	}
	if l.size += len(text); l.size > blob.MaxJSON {
		return "", corrupt.Errorf("the list of referrers is larger than %d bytes", blob.MaxJSON)
	}
	if err := l.add(text); err != nil {
		return "", err
	}
	return nextPage(resp)
}

// add takes in what an index lists that may be artifacts of signatures: registries need not
// filter.
func (l *listing) add(text []byte) error {
	index, err := manifest.ParseIndex(text, "")
	if err != nil {
		return fmt.Errorf("the list of referrers: %w", err)
	}
	for _, d := range manifest.MayReferTo(index.Manifests, l.subject) {
		if err := d.Digest.Validate(); err != nil {
			return corrupt.Errorf("the list of referrers: digest %q: %w", d.Digest, err)
		}
		l.found = append(l.found, d)
	}
	if l.found = manifest.MayReferTo(l.found, l.subject); len(l.found) > maxListed {
		return corrupt.Errorf("the list of referrers has more than %d possible signature artifacts", maxListed)
	}
	return nil
}

// readDocument reads an answer that is no blob with a digest to verify it by.
func readDocument(resp *http.Response, name string) ([]byte, error) {
	text, err := blob.ReadJSON(resp.Body, name)
	switch {
	case corrupt.Is(err):
		return nil, err
	case err != nil:
		return nil, cutOff(err)
	case resp.ContentLength >= 0 && int64(len(text)) != resp.ContentLength:
		return nil, passing(io.ErrUnexpectedEOF)
	}
	return text, nil
}

// nextPage returns the path, with its query, of the page that an answer calls the next one
// (RFC 8288), "" if it calls none so. It must be of the same registry, which credentials are for.
func nextPage(resp *http.Response) (string, error) {
	for _, link := range strings.Split(strings.Join(resp.Header.Values("Link"), ","), ",") {
		target, params, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(link), "<"), ">")
		if !ok || !isNext(params) {
			continue
		}
		u, err := resp.Request.URL.Parse(target)
		if err != nil || u.Host != resp.Request.URL.Host || u.Scheme != resp.Request.URL.Scheme {
			return "", corrupt.Errorf("the list of referrers continues at %.200q, which is not on this registry", target)
		}
		return u.RequestURI(), nil
	}
	return "", nil
}

// isNext reports whether the parameters of a link say that it leads to the next page.
func isNext(params string) bool {
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if strings.EqualFold(name, "rel") && strings.EqualFold(strings.Trim(value, `"`), "next") {
			return true
		}
	}
	return false
}

// taggedReferrers reads the list that clients keep under a tag where the registry has none. No
// such tag, or one of something else, is no list.
func (e *endpoint) taggedReferrers(ctx context.Context, subject digest.Digest) ([]v1.Descriptor, error) {
	text, _, err := e.referrersTag(ctx, subject)
	if err != nil || text == nil || !isReferrersIndex(text) {
		return nil, err
	}
	l := &listing{endpoint: e, subject: subject}
	err = l.add(text)
	if err != nil {
		return nil, err
	}
	return l.found, nil
}

// referrersTag returns what is under the tag of a list of referrers, nil if nothing is, and its
// ETag.
func (e *endpoint) referrersTag(ctx context.Context, subject digest.Digest) (text []byte, etag string, err error) {
	resp, err := e.get(ctx, e.path("manifests", manifest.ReferrersTag(subject)), nil)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		discard(resp)
		return nil, "", nil
	default:
		return nil, "", e.failed(resp)
	}
	if text, err = readDocument(resp, "the list of referrers"); err != nil {
		return nil, "", err
	}
	if !bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		return nil, "", corrupt.Errorf("the registry's response for tag %s is no JSON", manifest.ReferrersTag(subject))
	}
	return text, resp.Header.Get("ETag"), nil
}

func isReferrersIndex(text []byte) bool { return manifest.TypeOf(text) == v1.MediaTypeImageIndex }
