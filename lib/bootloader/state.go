package bootloader

import (
	"errors"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"cfs/lib/fd"
	"cfs/lib/verity"
)

// sharedVar is where bootc has the /var that all deployments share, seen from that of one.
const sharedVar = "../../os/default/var"

// stateOf returns the folder of what a booted image changes, below the state folder.
func stateOf(image verity.ID) string { return path.Join("deploy", image.String()) }

// makeState makes the folders that composefs-setup-root wants for an image below the state
// folder, durably. What is there already stays as it is.
func makeState(state string, image verity.ID, shared bool) error {
	if err := os.MkdirAll(state, 0o755); err != nil {
		return err
	}
	root, err := fd.OpenRoot(state)
	if err != nil {
		return err
	}
	defer root.Close()
	dir := stateOf(image)
	dirs := []string{"deploy", dir, dir + "/etc", dir + "/etc/upper", dir + "/etc/work"}
	if shared {
		dirs = append(dirs, "os", "os/default", "os/default/var")
	} else {
		dirs = append(dirs, dir+"/var")
	}
	for _, d := range dirs {
		if err := makeFolder(root, d); err != nil {
			return err
		}
	}
	if shared {
		if err := root.Symlink(sharedVar, dir+"/var"); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	d, err := root.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(fd.Use(d, func(n int) error { return unix.Syncfs(n) }), d.Close())
}

// makeFolder makes a folder with the mode of all of them, whatever the umask.
func makeFolder(root *fd.Root, name string) error {
	err := root.Mkdir(name, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return root.Chmod(name, 0o755)
}

// removeState removes what a booted image has changed. That there is none is fine.
func removeState(state string, image verity.ID) error {
	root, err := fd.OpenRoot(state)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer root.Close()
	return root.RemoveAll(stateOf(image))
}
