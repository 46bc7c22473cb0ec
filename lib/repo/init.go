package repo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"cfs/lib/fd"
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
// fs-verity. The repository and its own name are durable when Init returns; the name is
// not if the folder above may not be read.
func Init(path string, n New) error {
	switch _, err := os.Lstat(path + "/" + metaName); {
	case err == nil:
		return initError(path, syncParent(path)) // whoever made it may have been killed before
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("init repository: %w", err)
	}
	made, err := makeDir(path)
	if err != nil {
		return fmt.Errorf("init repository: %w", err)
	}
	if err = initIn(path, n); err != nil {
		if made {
			os.Remove(path)
		}
		return initError(path, err)
	}
	return initError(path, syncParent(path))
}

// MakeParents makes the folders above path that are missing, for their owner alone, durably.
func MakeParents(path string) error {
	dir := filepath.Dir(path)
	made, err := makeDir(dir)
	if errors.Is(err, fs.ErrNotExist) && filepath.Dir(dir) != dir {
		if err := MakeParents(dir); err != nil {
			return err
		}
		made, err = makeDir(dir)
	}
	if err == nil && made {
		err = syncParent(dir)
	}
	return err
}

func initError(path string, err error) error {
	if err != nil {
		return fmt.Errorf("init repository %s: %w", path, err)
	}
	return nil
}

// makeDir makes a folder, for its owner alone.
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
	root, err := fd.OpenRoot(path)
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
	if r.Objects, err = r.store(); err != nil {
		return err
	}
	defer r.Objects.Close()
	switch empty, err := r.Objects.Empty(); {
	case err != nil:
		return err
	case !empty:
		return fmt.Errorf("has objects but no %s: it is of an older version and read-only", metaName)
	}
	err = r.Objects.WriteMeta(metaName, newMeta(n.Algorithm, n.Formats).text())
	if errors.Is(err, verity.ErrUnsupported) {
		return fmt.Errorf("%w; --insecure works without it", err)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return dir.Sync()
}
