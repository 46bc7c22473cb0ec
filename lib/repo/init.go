package repo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"cfs/lib/variant"
	"cfs/lib/verity"
)

// New says what a new repository is to be.
type New struct {
	Algorithm verity.Algorithm
	Formats   []variant.Format // of EROFS images, the default first
	Insecure  bool             // do not need fs-verity
}

// Init makes a repository at path, and path itself, if there is none. What is
// there already must be a repository; that it is as n says is the caller's to
// check. Without Insecure it fails, leaving nothing, where the file system has no
// fs-verity.
func Init(path string, n New) error {
	if _, err := os.Lstat(path + "/" + metaName); err == nil {
		return nil
	}
	made, err := makeDir(path)
	if err != nil {
		return fmt.Errorf("init repository: %w", err)
	}
	if err = initIn(path, n); err != nil {
		if made {
			os.Remove(path)
		}
		return fmt.Errorf("init repository %s: %w", path, err)
	}
	return nil
}

// makeDir makes the repository's directory, for its owner alone.
func makeDir(path string) (made bool, err error) {
	err = os.Mkdir(path, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, os.Chmod(path, 0o700)
}

func initIn(path string, n New) error {
	root, err := os.OpenRoot(path)
	if err != nil {
		return err
	}
	defer root.Close()
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	r := &Repo{Path: path, Algorithm: n.Algorithm, Secure: !n.Insecure, root: root, dir: dir}
	if err := r.noObjects(); err != nil {
		return err
	}
	t, err := r.newTemp(".")
	if err != nil {
		return err
	}
	defer t.discard()
	if _, err := t.file.Write(newMeta(n.Algorithm, n.Formats).text()); err != nil {
		return err
	}
	if err := t.file.Sync(); err != nil {
		return err
	}
	// Whether this file is protected is what tells the two kinds of repositories apart.
	if !n.Insecure {
		err := r.seal(t, verity.ID{})
		if errors.Is(err, verity.ErrUnsupported) {
			return fmt.Errorf("%w; without its protection: --insecure", err)
		}
		if err != nil {
			return err
		}
	}
	if err := t.link(metaName); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return dir.Sync()
}

// noObjects returns an error if there are objects. What somebody left who was killed
// in Init is none.
func (r *Repo) noObjects() error {
	list, err := r.entries("objects")
	if err != nil {
		return err
	}
	for _, e := range list {
		if !strings.HasPrefix(e.Name(), tempPrefix) {
			return fmt.Errorf("has objects, but no %s: it was written before there was one, and is only read", metaName)
		}
	}
	return nil
}
