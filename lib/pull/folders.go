package pull

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"cfs/lib/fd"
)

// maxFolders is how many folders one record may have: the layers that a chain can have.
const maxFolders = 500

// folders returns the folders of the files of tar-split.
func (l Layer) folders() []string { return strings.Split(l.Dirs, ":") }

// checkFolders refuses what are no folders of the files of tar-split.
func (l Layer) checkFolders() error {
	if l.Artifact {
		return fmt.Errorf("form=%s of a blob: only a layer is a tar", l.Form)
	}
	list := l.folders()
	if len(list) > maxFolders {
		return fmt.Errorf("dirs= has %d folders: want at most %d", len(list), maxFolders)
	}
	for _, dir := range list {
		if !filepath.IsAbs(dir) {
			return fmt.Errorf("dirs=%.300q: want absolute paths, joined by colons: a path with a colon in it cannot be one of them", l.Dirs)
		}
	}
	return nil
}

// openFolders opens folders, below which files are looked for. Each must be there, or be missing for a reason
// that a retry may resolve.
func openFolders(list []string) (dirs []*fd.Root, err error) {
	for _, name := range list {
		dir, err := fd.OpenRoot(name)
		if err != nil {
			return nil, errors.Join(err, closeFolders(dirs))
		}
		dirs = append(dirs, dir)
	}
	return dirs, nil
}

func closeFolders(dirs []*fd.Root) (err error) {
	for _, dir := range dirs {
		err = errors.Join(err, dir.Close())
	}
	return err
}
