package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"cfs/lib/fd"
)

// Blob is what a spool has of a blob: all of it, or as much as has been fetched.
type Blob struct {
	Digest  digest.Digest
	Size    int64 // of its files, in bytes
	Partial bool
}

// List returns the blobs in the layout at dir by their digests, without changing anything.
// That there is no layout is no error. Files of other names are left out.
func List(dir string) (blobs []Blob, err error) {
	root, err := fd.OpenRoot(dir)
	if err == nil {
		defer root.Close()
		blobs, err = listIn(root)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("spool %s: %w", dir, err)
	}
	return blobs, nil
}

func listIn(root *fd.Root) (blobs []Blob, err error) {
	for _, algorithm := range []digest.Algorithm{digest.SHA256, digest.SHA512} {
		folder := "blobs/" + algorithm.String()
		d, err := root.OpenDir(folder)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		defer d.Close()
		entries, err := fd.ReadDir(d)
		if err != nil {
			return nil, err
		}
		s := Spool{root: root}
		for _, e := range entries {
			name, suffix, partial := strings.Cut(e.Name(), ".")
			b := Blob{digest.NewDigestFromEncoded(algorithm, name), s.size(folder + "/" + e.Name()), partial}
			if partial && !slices.Contains(suffixes, "."+suffix) {
				continue
			}
			if b.Digest.Validate() == nil && b.Size >= 0 { // it may have been used and removed meanwhile
				blobs = append(blobs, b)
			}
		}
	}
	slices.SortFunc(blobs, func(a, b Blob) int { return strings.Compare(string(a.Digest), string(b.Digest)) })
	var merged []Blob
	for _, b := range blobs {
		if n := len(merged); n > 0 && merged[n-1].Digest == b.Digest {
			merged[n-1].Size += b.Size
			merged[n-1].Partial = merged[n-1].Partial && b.Partial
			continue
		}
		merged = append(merged, b)
	}
	return merged, nil
}
