package spool

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/fd"
	"cfs/lib/manifest"
)

// Drop removes what there is of a blob that is not needed, unless it is kept, or somebody
// is at it.
func (s *Spool) Drop(d v1.Descriptor) error {
	name, err := manifest.BlobName(d.Digest)
	if err != nil || !slices.ContainsFunc(append([]string{""}, suffixes...), func(suffix string) bool { return s.size(name+suffix) >= 0 }) {
		return err
	}
	return s.drop(name, d)
}

func (s *Spool) drop(name string, d v1.Descriptor) error {
	none, cancel := context.WithCancel(context.Background())
	cancel()
	f, err := s.lockPartial(none, name+partialSuffix, func() {})
	if errors.Is(err, context.Canceled) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if !s.Kept(d) {
		err = s.remove(name)
	}
	for _, suffix := range suffixes {
		err = errors.Join(err, s.remove(name+suffix))
	}
	return err
}

// remove removes a file of the spool, if it is there.
func (s *Spool) remove(name string) error {
	err := s.root.Remove(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Remove removes a blob after use from the spool in which it lies, as Drop does, by the
// path that a record has: of the blob, or of what was put together of it.
//
// A record comes from another program and can name any file. So only what lies where a
// spool has the blob of that digest is removed. Anything else stays, which is no error:
// that it may go is for its owner to say. A symbolic link below the layout is not followed.
func Remove(path string, d digest.Digest) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	dir := filepath.Join(filepath.Dir(path), "../..")
	name, err := manifest.BlobName(d)
	if whole := filepath.Join(dir, name); err != nil || path != whole && path != whole+assemblySuffix {
		return nil
	}
	root, err := fd.OpenRoot(dir)
	if err != nil {
		return nil
	}
	defer root.Close()
	layout, err := manifest.LayoutIn(root)
	if err != nil {
		return nil
	}
	s, desc := &Spool{dir: dir, root: root, layout: layout}, v1.Descriptor{Digest: d}
	if s.Kept(desc) {
		return nil
	}
	// Where nobody is at it no lock is made, for which there may be no room. Whoever finds
	// the blob at this moment finds later that it is stored.
	if _, err := root.Lstat(name + partialSuffix); !errors.Is(err, fs.ErrNotExist) || strings.HasSuffix(path, assemblySuffix) {
		return s.drop(name, desc)
	}
	if err := root.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
