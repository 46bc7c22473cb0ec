package oci

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"unicode/utf8"

	"github.com/opencontainers/go-digest"

	"cfs/lib/corrupt"
	"cfs/lib/repo"
)

// sourceFolder holds the notes of where images were pulled from, each named as the ref of its
// tag.
const sourceFolder = "sources"

// origin is the text of such a note. It holds while the tag leads to the manifest.
type origin struct {
	Source   string        `json:"source"`
	Manifest digest.Digest `json:"manifest"`
}

// SetSource remembers where an image was pulled from that a tag is about to lead to. If that is
// not UTF-8 it is not remembered.
func SetSource(r *repo.Repo, name string, d digest.Digest, source string) error {
	if !utf8.ValidString(source) {
		return r.RemoveNote(sourceNote(name))
	}
	if old, err := readSource(r, name); err == nil && old == (origin{source, d}) {
		return nil
	}
	text, err := origin{source, d}.text()
	if err == nil {
		err = r.WriteNote(sourceNote(name), text)
	}
	if err != nil {
		return fmt.Errorf("source of the tag %q: %w", name, err)
	}
	return nil
}

// SourceOf returns where the image of a tag was pulled from, as a SOURCE of cfs-fetch: what is
// remembered, or else the tag itself if it is written as one of a registry. It is "" if that is
// not known.
func SourceOf(r *repo.Repo, tag NamedManifest) (string, error) {
	o, err := readSource(r, tag.Tag)
	switch {
	case err == nil && o.Manifest == tag.Manifest && o.Source != "":
		return o.Source, nil
	case err != nil && !corrupt.OrMissing(err):
		return "", fmt.Errorf("source of the tag %q: %w", tag.Tag, err)
	case strings.HasPrefix(tag.Tag, "docker://"):
		return tag.Tag, nil
	}
	return "", nil
}

// TidySources removes what is remembered of tags that are gone, or lead elsewhere now.
func TidySources(r *repo.Repo) error {
	notes, err := r.Notes(sourceFolder)
	if err != nil {
		return err
	}
	for _, note := range notes {
		name := unescaper.Replace(note)
		o, err := readSource(r, name)
		if err != nil && !corrupt.OrMissing(err) {
			return err
		}
		d, err := Tag(r, name)
		switch {
		case err == nil && d == o.Manifest:
			continue
		case err != nil && !corrupt.Is(err) && !errors.Is(err, fs.ErrNotExist):
			return err
		}
		if err := r.RemoveNote(sourceFolder + "/" + note); err != nil {
			return err
		}
	}
	return nil
}

// readSource reads a note. The error is marked as corrupt, or wraps fs.ErrNotExist, if there is
// none that can be used.
func readSource(r *repo.Repo, name string) (o origin, err error) {
	text, err := r.ReadNote(sourceNote(name))
	if err != nil {
		return o, err
	}
	o, ok := parseOrigin(text)
	if !ok {
		return o, corrupt.Errorf("is not a source note")
	}
	return o, nil
}

func (o origin) text() ([]byte, error) {
	text, err := json.Marshal(o)
	return append(text, '\n'), err
}

func parseOrigin(text []byte) (o origin, ok bool) {
	ok = json.Unmarshal(text, &o) == nil && o.Manifest.Validate() == nil
	return o, ok
}

func sourceNote(name string) string { return sourceFolder + "/" + escaper.Replace(name) }
