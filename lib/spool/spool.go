// Package spool keeps fetched blobs until they are used, in an OCI image layout, so that
// other tools can fill and read it.
//
// A blob that is on its way is blobs/ALGORITHM/HEX.partial, which whoever fetches it
// holds an exclusive flock(2) on. It gets its name when all of it is there and has the
// digest. What index.json leads to belongs to whoever put it there; all other blobs
// may go after use.
package spool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/blob"
	"cfs/lib/corrupt"
	"cfs/lib/flock"
	"cfs/lib/manifest"
)

// Spool is one such layout.
type Spool struct {
	// Waiting is told that somebody else has been fetching a blob for a while, if it is set.
	Waiting func(v1.Descriptor)

	dir    string
	layout *manifest.Layout
}

// Open opens the spool at dir, and makes it if it is not there.
func Open(ctx context.Context, dir string) (*Spool, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	s := &Spool{dir: dir}
	if err := s.make(ctx); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	if s.layout, err = manifest.OpenLayout(dir); err != nil {
		return nil, fmt.Errorf("spool: %w", s.cure(v1.ImageLayoutFile, err))
	}
	if _, err := s.kept(); err != nil {
		return nil, fmt.Errorf("spool %s: %w", dir, s.cure(v1.ImageIndexFile, err))
	}
	return s, nil
}

// Path returns where a blob lies, or will.
func (s *Spool) Path(d v1.Descriptor) (string, error) { return s.layout.Path(d.Digest) }

// Kept reports whether a blob must stay after use: index.json leads to it, as it is now.
func (s *Spool) Kept(d v1.Descriptor) bool {
	kept, err := s.kept()
	return err != nil || kept[d.Digest] // of what cannot be read, nothing goes
}

// Have returns how many bytes of a blob are there, of a whole or a partial one.
func (s *Spool) Have(d v1.Descriptor) int64 {
	path, err := s.Path(d)
	if err != nil {
		return 0
	}
	for _, name := range []string{path, path + partialSuffix} {
		if st, err := os.Stat(name); err == nil {
			return min(st.Size(), d.Size)
		}
	}
	return 0
}

// Whole reports whether all of a blob seems to be there, by its size.
func (s *Spool) Whole(d v1.Descriptor) bool {
	path, err := s.Path(d)
	if err != nil {
		return false
	}
	st, err := os.Stat(path)
	return err == nil && st.Size() == d.Size
}

// index reads index.json.
func (s *Spool) index() (v1.Index, error) {
	var index v1.Index
	f, err := os.Open(filepath.Join(s.dir, v1.ImageIndexFile))
	if err != nil {
		return index, err
	}
	defer f.Close()
	text, err := blob.ReadJSON(f, v1.ImageIndexFile)
	if err != nil {
		return index, err
	}
	if index, err = manifest.ParseIndex(text, ""); err != nil {
		return index, fmt.Errorf("%s: %w", v1.ImageIndexFile, err)
	}
	return index, nil
}

// kept finds what index.json leads to.
func (s *Spool) kept() (map[digest.Digest]bool, error) {
	index, err := s.index()
	if err != nil {
		return nil, err
	}
	kept := make(map[digest.Digest]bool)
	for _, d := range index.Manifests {
		if err := s.mark(kept, d); err != nil {
			return nil, err
		}
	}
	return kept, nil
}

// mark marks a manifest or an index, and what it leads to as far as that is there.
func (s *Spool) mark(kept map[digest.Digest]bool, d v1.Descriptor) error {
	if kept[d.Digest] {
		return nil
	}
	kept[d.Digest] = true
	if !manifest.IsManifest(d.MediaType) {
		return nil
	}
	text, err := s.layout.ReadAll(d)
	if corrupt.IsDamage(err) {
		return nil // it is not there, or no concern of ours
	}
	if err != nil {
		return err
	}
	for _, d := range manifest.References(text) {
		if err := s.mark(kept, d); err != nil {
			return err
		}
	}
	return nil
}

// Keep lists a manifest in index.json under a name, in place of what had it.
func (s *Spool) Keep(ctx context.Context, d v1.Descriptor, name string) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	index, err := s.index()
	if err != nil {
		return err
	}
	d = v1.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size, Annotations: map[string]string{v1.AnnotationRefName: name}}
	var list []v1.Descriptor
	for _, old := range index.Manifests {
		if old.Annotations[v1.AnnotationRefName] != name {
			list = append(list, old)
		}
	}
	index.Manifests = append(list, d)
	return s.writeJSON(v1.ImageIndexFile, index)
}

// lock keeps others from writing files of the layout.
func (s *Spool) lock(ctx context.Context) (unlock func() error, err error) {
	f, err := os.Open(s.dir)
	if err != nil {
		return nil, err
	}
	if err := (flock.Lock{Exclusive: true, Timeout: flock.Forever}).Take(ctx, f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f.Close, nil
}
