package mount

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// mountOverlay joins the mounted image, the objects and the writable layer to an
// overlay mount that is attached nowhere.
func mountOverlay(image *os.File, objects []*os.File, x xattrs, o Options, w ways) (*os.File, error) {
	if !w.attach {
		mnt, err := newOverlay(image, objects, x, o, w)
		// A kernel that takes no detached mount as a layer says only EINVAL. So
		// it does in other cases, and then will again.
		if !errors.Is(err, unix.EINVAL) || x == userXattrs { // which no such kernel has
			return mnt, err
		}
	}
	dir, err := os.MkdirTemp("", "composefs-")
	if err != nil {
		var second error // an initramfs has a /run, but mostly no /tmp
		if dir, second = os.MkdirTemp("/run", "composefs-"); second != nil {
			return nil, fmt.Errorf("mount point for the image: %w", errors.Join(err, second))
		}
	}
	defer os.Remove(dir) // at worst an empty directory stays
	at, err := os.OpenFile(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, fmt.Errorf("mount point for the image: %w", err)
	}
	defer at.Close()
	if err := move(image, at); err != nil {
		return nil, err
	}
	mnt, err := newOverlay(image, objects, x, o, w)
	// The overlay has a mount of its own of the image.
	if derr := unix.Unmount(dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); derr != nil {
		mnt.Close()
		return nil, fmt.Errorf("unmount the image from %s: %w", dir, derr)
	}
	return mnt, err
}

func newOverlay(image *os.File, objects []*os.File, x xattrs, o Options, w ways) (*os.File, error) {
	c, err := open("overlay")
	if err != nil {
		return nil, err
	}
	defer c.close()
	if err := c.setString("source", Source(o.Name)); err != nil {
		return nil, err
	}
	if err := c.setXattrs(x); err != nil {
		return nil, err
	}
	if o.Verity || o.TryVerity {
		if err := c.setString("verity", "require"); err != nil && o.Verity {
			return nil, err
		}
	}
	if err := c.setLower(image, objects, &w); err != nil {
		return nil, err
	}
	if o.Upper != "" {
		if err := c.setUpper(x, o, w); err != nil {
			return nil, err
		}
	}
	attr := unix.MOUNT_ATTR_RDONLY
	if o.ReadWrite {
		attr = 0
	}
	return c.mount(attr)
}

// setLower sets the image and the objects, in one of three ways: by descriptors,
// by paths, or by one string with all of the paths. Which one, it notes in w.
func (c *context) setLower(image *os.File, objects []*os.File, w *ways) error {
	if !w.joined {
		err := c.addLower(image, objects, w)
		if errors.Is(err, unix.EOPNOTSUPP) {
			return fmt.Errorf("%w: no data-only layers before Linux 6.5", err)
		}
		if !errors.Is(err, unix.EINVAL) {
			return err
		}
		w.joined, w.paths = true, true
	}
	names, paths := image.Name(), procPath(image)
	for _, f := range objects {
		names += "::" + f.Name()
		paths += "::" + procPath(f)
	}
	return c.explain("lowerdir="+names, unix.FsconfigSetString(c.fd, "lowerdir", paths))
}

func (c *context) addLower(image *os.File, objects []*os.File, w *ways) error {
	if err := c.setLayer("lowerdir+", image, w); err != nil {
		return err
	}
	for _, f := range objects {
		if err := c.setLayer("datadir+", f, w); err != nil {
			return err
		}
	}
	return nil
}

// setLayer sets one layer by its descriptor. If the kernel takes none, it goes on
// with paths: EINVAL is said before 6.13, EBADF of a mount's descriptor before
// 6.15.
func (c *context) setLayer(key string, dir *os.File, w *ways) error {
	if !w.paths {
		err := c.setFile(key, dir)
		if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EBADF) {
			return err
		}
		w.paths = true
	}
	return c.setPath(key, dir)
}

// xattrs are the kind, which is the first part of their names, of the xattrs in which overlayfs keeps its state.
type xattrs string

const (
	trustedXattrs xattrs = "trusted"
	userXattrs    xattrs = "user" // those for mounts without privileges
)

// setXattrs has overlayfs follow the redirects of the image: with xattrs of users it follows only those into data-only
// layers, and does so without being told.
func (c *context) setXattrs(x xattrs) error {
	if x == userXattrs {
		return c.setFlag("userxattr")
	}
	if err := c.setString("metacopy", "on"); err != nil {
		return err
	}
	return c.setString("redirect_dir", "on")
}

// xattrsNote is a symbolic link in a work directory to the kind of xattrs that overlayfs has in the upper directory: an
// overlay with the other kind would not see what was removed there, and show it again. It is a link because that is made
// whole or not at all. Overlayfs itself uses other names.
const xattrsNote = "cfs-xattrs"

// noteXattrs notes in a work directory which xattrs are used, durably, unless another kind is noted.
func noteXattrs(work *os.File, x xattrs) error {
	err := unix.Symlinkat(string(x), fd(work), xattrsNote)
	switch err {
	case nil:
		return work.Sync()
	case unix.EROFS:
		return nil // overlayfs will say what it thinks of that
	case unix.EEXIST:
	default:
		return fmt.Errorf("%s: %w", xattrsNote, err)
	}
	var buffer [64]byte
	n, err := unix.Readlinkat(fd(work), xattrsNote, buffer[:])
	if err != nil {
		return fmt.Errorf("%s: %w", xattrsNote, err)
	}
	if old := string(buffer[:n]); old != string(x) {
		return fmt.Errorf("%s says that the upper directory has overlay xattrs of the kind %q, and this mount needs %q: mount it as before, with or without FUSE, or use empty directories", xattrsNote, old, x)
	}
	return nil
}

// setUpper sets the writable layer. The kernel never sees the paths of its
// directories, in which a backslash would be an escape.
func (c *context) setUpper(x xattrs, o Options, w ways) error {
	for _, l := range [][2]string{{"upperdir", o.Upper}, {"workdir", o.Work}} {
		dir, err := os.OpenFile(l[1], unix.O_DIRECTORY, 0)
		if err != nil {
			return fmt.Errorf("%s: %w", l[0], err)
		}
		if l[0] == "workdir" {
			if err = noteXattrs(dir, x); err != nil {
				err = fmt.Errorf("workdir %s: %w", dir.Name(), err)
			}
		}
		if err == nil {
			err = c.setLayer(l[0], dir, &w)
		}
		dir.Close()
		if err != nil {
			return err
		}
	}
	return nil
}
