package spool

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/manifest"
)

// Drop removes what there is of a blob that is not needed, unless it is kept, or somebody
// is at it.
func (s *Spool) Drop(d v1.Descriptor) error {
	path, err := s.Path(d)
	if err != nil || s.Have(d) == 0 {
		return err
	}
	return s.drop(path, d)
}

func (s *Spool) drop(path string, d v1.Descriptor) error {
	none, cancel := context.WithCancel(context.Background())
	cancel()
	f, err := lockPartial(none, path+partialSuffix, func() {})
	if errors.Is(err, context.Canceled) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if !s.Kept(d) {
		err = os.Remove(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, os.Remove(f.Name()))
}

// Remove removes a blob after use from the spool in which it lies, as Drop does, by the
// path that a record has.
//
// A record comes from another program and can name any file. So only what lies where a
// spool has the blob of that digest is removed. Anything else stays, which is no error:
// that it may go is for its owner to say.
func Remove(path string, d digest.Digest) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	dir := filepath.Join(filepath.Dir(path), "../..")
	layout, err := manifest.OpenLayout(dir)
	if err != nil {
		return nil
	}
	if own, err := layout.Path(d); err != nil || own != path {
		return nil
	}
	s, desc := &Spool{dir: dir, layout: layout}, v1.Descriptor{Digest: d}
	if s.Kept(desc) {
		return nil
	}
	// Where nobody is at it no lock is made, for which there may be no room. Whoever finds
	// the blob at this moment finds later that it is stored.
	if _, err := os.Lstat(path + partialSuffix); !errors.Is(err, fs.ErrNotExist) {
		return s.drop(path, desc)
	}
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
