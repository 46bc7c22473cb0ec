package main

import (
	"bytes"
	_ "crypto/sha256" // go-digest panics for algorithms that are not linked in
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// layout is an OCI image layout on disk.
type layout struct{ root *os.Root }

// serve answers a request for a blob, or a range of it.
func (l *layout) serve(w http.ResponseWriter, r *http.Request, blob string) error {
	d, err := digest.Parse(blob)
	if err != nil {
		return fmt.Errorf("blob %q: %w", blob, os.ErrNotExist)
	}
	f, err := l.root.Open(path(d))
	if err != nil {
		return err
	}
	defer f.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Docker-Content-Digest", d.String())
	w.Header().Set("Etag", `"`+d.String()+`"`)
	http.ServeContent(w, r, "", time.Time{}, f)
	return nil
}

// push puts all manifests of the layout, and what its index names, to a URL that takes
// tags and digests.
func (l *layout) push(url string) error {
	text, err := l.root.ReadFile(v1.ImageIndexFile)
	if err != nil {
		return err
	}
	var index v1.Index
	if err := json.Unmarshal(text, &index); err != nil {
		return fmt.Errorf("%s: %w", v1.ImageIndexFile, err)
	}
	named := make(map[string][]v1.Descriptor)
	for _, d := range index.Manifests {
		if err := l.pushTree(url, d); err != nil {
			return err
		}
		tag := d.Annotations[v1.AnnotationRefName]
		d.Annotations = nil
		named[tag] = append(named[tag], d)
	}
	for tag, images := range named {
		if tag == "" {
			tag = "latest"
		}
		if err := l.tag(url+tag, images); err != nil {
			return err
		}
	}
	return nil
}

// tag puts an image under a tag. Several of one name, for different platforms, get an
// index of their own: a registry knows one manifest by a tag.
func (l *layout) tag(url string, images []v1.Descriptor) error {
	if len(images) > 1 {
		text, err := json.Marshal(v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, Manifests: images})
		if err != nil {
			return err
		}
		return put(url, v1.MediaTypeImageIndex, text)
	}
	text, err := l.root.ReadFile(path(images[0].Digest))
	if err != nil {
		return err
	}
	return put(url, images[0].MediaType, text)
}

// pushTree puts a manifest under its digest, and before it those that it is an index of.
func (l *layout) pushTree(url string, d v1.Descriptor) error {
	text, err := l.root.ReadFile(path(d.Digest))
	if err != nil {
		return err
	}
	// A manifest without manifests is no index.
	var index v1.Index
	if err := json.Unmarshal(text, &index); err != nil {
		return fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	for _, child := range index.Manifests {
		if err := l.pushTree(url, child); err != nil {
			return err
		}
	}
	return put(url+d.Digest.String(), d.MediaType, text)
}

func put(url, mediaType string, text []byte) error {
	r, err := http.NewRequest(http.MethodPut, url, bytes.NewReader(text))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", mediaType)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusCreated {
		why, err := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
		if err != nil {
			return err
		}
		return fmt.Errorf("put %s: %s: %s", url, answer.Status, strings.TrimSpace(string(why)))
	}
	return nil
}

func path(d digest.Digest) string { return "blobs/" + d.Algorithm().String() + "/" + d.Encoded() }
