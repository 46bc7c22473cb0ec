package bootloader

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"cfs/lib/fd"
	"cfs/lib/verity"
)

// sharedVar is where bootc has the /var that all deployments share, seen from that of one.
const sharedVar = "../../os/default/var"

// StateOf returns the folder of what a booted image changes.
func StateOf(state string, image verity.ID) string {
	return filepath.Join(state, "deploy", image.String())
}

// MakeState makes the folders that composefs-setup-root wants for an image, durably. What is
// there already stays as it is.
func MakeState(state string, image verity.ID, shared bool) error {
	dir := StateOf(state, image)
	dirs := []string{dir, dir + "/etc", dir + "/etc/upper", dir + "/etc/work"}
	if shared {
		dirs = append(dirs, filepath.Join(state, "os/default"), filepath.Join(state, "os/default/var"))
	} else {
		dirs = append(dirs, dir+"/var")
	}
	for _, d := range dirs {
		if err := makeFolder(d); err != nil {
			return err
		}
	}
	if shared {
		if err := os.Symlink(sharedVar, dir+"/var"); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return syncFS(dir)
}

func makeFolder(dir string) error {
	switch st, err := os.Stat(dir); {
	case err == nil && st.IsDir():
		return nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.Chmod(dir, 0o755)
}

func syncFS(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(fd.Use(d, func(n int) error { return unix.Syncfs(n) }), d.Close())
}
