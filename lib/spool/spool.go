// Package spool keeps downloaded blobs until they are used, in an OCI image layout, so that other
// tools can fill and read it.
//
// A blob that is being downloaded is blobs/ALGORITHM/HEX.partial, on which the downloader holds an
// exclusive flock(2). It gets its name when it is complete and matches the digest. Blobs
// reachable from index.json belong to whoever listed them; all others may be removed after use.
//
// A spool may be writable by others, if the user allows it: files are reached by handles, and a
// partial file that somebody else could have created is replaced.
package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"cfs/lib/blob"
	"cfs/lib/corrupt"
	"cfs/lib/fd"
	"cfs/lib/flock"
	"cfs/lib/manifest"
)

// Spool is one such layout.
type Spool struct {
	// Waiting is told that somebody else has been fetching a blob for a while, if it is set.
	Waiting func(v1.Descriptor)

	dir    string
	root   *fd.Root // the same: nothing in it is reached in another way
	layout *manifest.Layout
}

// ErrUntrusted means that others may write into a spool that root is to use.
var ErrUntrusted = errors.New("so root does not use it as a spool")

// Open opens the spool at dir, and makes it if it is not there. For root the error wraps
// ErrUntrusted if others may write into it. Close must be called.
func Open(ctx context.Context, dir string) (*Spool, error) {
	return openIn(ctx, dir, func(root *fd.Root) error {
		others, err := root.Others()
		if err == nil && others != "" && os.Geteuid() == 0 {
			err = fmt.Errorf("%s %s, %w", root.Name(), others, ErrUntrusted)
		}
		return err
	})
}

// OpenUntrusted is Open for a spool that others may write into. They can have it fetch blobs
// again, and no more.
func OpenUntrusted(ctx context.Context, dir string) (*Spool, error) {
	return openIn(ctx, dir, func(*fd.Root) error { return nil })
}

func openIn(ctx context.Context, dir string, check func(*fd.Root) error) (*Spool, error) {
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	root, err := fd.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	s := &Spool{dir: dir, root: root}
	if err = check(root); err == nil {
		err = s.open(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("spool: %w", err), root.Close())
	}
	return s, nil
}

func (s *Spool) open(ctx context.Context) (err error) {
	if err := s.make(ctx); err != nil {
		return err
	}
	if s.layout, err = manifest.LayoutIn(s.root); err != nil {
		return s.cure(v1.ImageLayoutFile, err)
	}
	if _, err := s.kept(); err != nil {
		return fmt.Errorf("%s: %w", s.dir, s.cure(v1.ImageIndexFile, err))
	}
	return nil
}

// Close closes the spool.
func (s *Spool) Close() error { return s.root.Close() }

// Path returns where a blob lies, or will.
func (s *Spool) Path(d v1.Descriptor) (string, error) { return s.layout.Path(d.Digest) }

// PartialPath returns where the bytes of a blob appear that is on its way, in their order.
func (s *Spool) PartialPath(d v1.Descriptor) (string, error) {
	path, err := s.Path(d)
	return path + partialSuffix, err
}

// Kept reports whether a blob must stay after use: index.json leads to it, as it is now.
func (s *Spool) Kept(d v1.Descriptor) bool {
	kept, err := s.kept()
	return err != nil || kept[d.Digest] // of what cannot be read, nothing goes
}

// Have returns how many bytes of a blob are there, of a whole or a partial one.
func (s *Spool) Have(d v1.Descriptor) int64 {
	name, err := manifest.BlobName(d.Digest)
	if err != nil {
		return 0
	}
	for _, name := range []string{name, name + partialSuffix} {
		if size := s.size(name); size >= 0 {
			return min(size, d.Size)
		}
	}
	return 0
}

// size returns the size of a file, -1 if there is none.
func (s *Spool) size(name string) int64 {
	st, err := s.root.Lstat(name)
	if err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return -1
	}
	return st.Size
}

// Whole reports whether all of a blob seems to be there, by its size.
func (s *Spool) Whole(d v1.Descriptor) bool {
	name, err := manifest.BlobName(d.Digest)
	return err == nil && s.size(name) == d.Size
}

// indexText reads index.json.
func (s *Spool) indexText() ([]byte, error) {
	f, err := s.root.OpenRegular(v1.ImageIndexFile)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return blob.ReadJSON(f, v1.ImageIndexFile)
}

// index is indexText, parsed.
func (s *Spool) index() (v1.Index, error) {
	var index v1.Index
	text, err := s.indexText()
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

// Keep lists a manifest in index.json under a name, in place of what had it, and artifacts that
// belong to it without names.
func (s *Spool) Keep(ctx context.Context, d v1.Descriptor, name string, artifacts ...v1.Descriptor) error {
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
	list = append(list, d)
	for _, a := range artifacts {
		if !slices.ContainsFunc(list, func(old v1.Descriptor) bool { return old.Digest == a.Digest }) {
			list = append(list, v1.Descriptor{MediaType: a.MediaType, ArtifactType: a.ArtifactType, Digest: a.Digest, Size: a.Size})
		}
	}
	index.Manifests = list
	return s.writeJSON(v1.ImageIndexFile, index)
}

// Leads reports whether index.json leads to a manifest that is there.
func (s *Spool) Leads(d digest.Digest) (bool, error) {
	kept, err := s.kept()
	if err != nil || !kept[d] {
		return false, err
	}
	name, err := manifest.BlobName(d)
	return err == nil && s.size(name) >= 0, err
}

// List adds manifests to index.json, as they are described, unless it has them. All else that
// it holds stays.
func (s *Spool) List(ctx context.Context, list []v1.Descriptor) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	text, err := s.indexText()
	if err != nil {
		return err
	}
	added, err := manifest.AddToIndex(text, list)
	if err != nil || bytes.Equal(added, text) {
		return err
	}
	return s.writeFile(v1.ImageIndexFile, added)
}

// lock keeps others from writing files of the layout.
func (s *Spool) lock(ctx context.Context) (unlock func() error, err error) {
	f, err := s.root.OpenDir(".")
	if err != nil {
		return nil, err
	}
	if err := (flock.Lock{Exclusive: true, Timeout: flock.Forever}).Take(ctx, f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f.Close, nil
}
