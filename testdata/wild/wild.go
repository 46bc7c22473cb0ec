// Package wild is a table of images as they are in the wild: what old builders, odd
// registries and careless scripts made, each with the tree that container runtimes show,
// or with the refusal that is right. The trees were written down from the rules in
// docs/differences.md, not from what the tools print.
//
// A case is a few lines of Go. The program in gen writes all of them as OCI image layouts,
// to try other tools on.
package wild

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cfs/testdata/rawtar"
)

// Case is an image and what the tools make of it.
type Case struct {
	// Name is the rule, a dash, and what is special. It is the image's tag, too.
	Name string

	Layers []Layer // the lowest first
	// Platforms are those of several images in an index, each of a layer with one file,
	// usr/PLATFORM with dashes for the slashes. They stand in place of Layers.
	Platforms []string
	// Manifest, Config, Index and Layout change the text of these documents: Index is the
	// one of Platforms, Layout is index.json.
	Manifest, Config, Index, Layout Edit
	NoMarker                        bool // there is no file oci-layout
	SHA512                          bool // the digests of the blobs are of this kind

	// Tags make it an archive of docker save with these tags; Ask is how it is named.
	Tags []string
	Ask  string

	Options string // of cfs-fetch, in place of --platform linux/amd64

	Want   string // the tree, see Listing
	Status int    // of a refusal, if there is one,
	Says   string // and a part of its message
	// Strict is the status with --strict. With 0 the image is the same, and cfsctl makes no
	// other one.
	Strict int
}

// Edit replaces the first occurrence of a text.
type Edit struct{ Old, New string }

func (e Edit) apply(text string) string {
	if e == (Edit{}) {
		return text
	}
	if !strings.Contains(text, e.Old) {
		panic("nothing to replace in " + text)
	}
	return strings.Replace(text, e.Old, e.New, 1)
}

// Layer is a layer's tar, and how it is stored.
type Layer struct {
	Tar  []byte
	Type string                   // its media type, that of a plain tar if it is empty
	Pack func(data []byte) []byte // compresses it, nil for not at all
}

// layer returns a plain layer of members.
func layer(members ...rawtar.Member) Layer { return Layer{Tar: rawtar.Tar(members...)} }

// Cases returns all cases, sorted by rule.
func Cases() []Case {
	return slices.Concat(headers, bodies, records, fields, ends, orders, markers, names, aufs, devices, documents, platforms, packed, places)
}

// Tars returns the tar of each layer of all cases, for fuzz targets to begin with.
func Tars() (list [][]byte) {
	for _, c := range Cases() {
		for _, l := range c.Layers {
			list = append(list, l.Tar)
		}
	}
	return list
}

// Documents returns the manifests, configs and indexes of the cases that change one, for
// fuzz targets to begin with.
func Documents() (list [][]byte) {
	for _, c := range Cases() {
		if c.Manifest == c.Config && c.Index == c.Layout && c.Manifest == c.Index {
			continue
		}
		for _, data := range c.files() {
			if json.Valid(data) {
				list = append(list, data)
			}
		}
	}
	slices.SortFunc(list, bytes.Compare)
	return slices.CompactFunc(list, bytes.Equal)
}

// Source returns what cfs-fetch takes for a case that was written to a folder.
func (c Case) Source(dir string) string {
	if c.Tags != nil {
		return "docker-archive:" + filepath.Join(dir, archiveName) + c.Ask
	}
	return "oci:" + filepath.Join(dir, layoutName) + ":" + c.Name
}

// Write writes a case into a folder, which it makes.
func (c Case) Write(dir string) error {
	for name, data := range c.files() {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
