package spool

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/fd"
	"cfs/lib/manifest"
)

// Drop removes what there is of a blob that is not needed, unless it is kept, or somebody
// is at it.
func (s *Spool) Drop(d v1.Descriptor) error {
	name, err := manifest.BlobName(d.Digest)
	if err != nil || s.Have(d) == 0 {
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
		err = s.root.Remove(name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, s.root.Remove(name+partialSuffix))
}

// Remove removes a blob after use from the spool in which it lies, as Drop does, by the
// path that a record has.
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
	if err != nil || filepath.Join(dir, name) != path {
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
	if _, err := root.Lstat(name + partialSuffix); !errors.Is(err, fs.ErrNotExist) {
		return s.drop(name, desc)
	}
	if err := root.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
