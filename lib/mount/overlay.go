package mount

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// mountOverlay joins the mounted image, the objects and the writable layer to an
// overlay mount that is attached nowhere.
func mountOverlay(image *os.File, objects []*os.File, o Options, w ways) (*os.File, error) {
	if !w.attach {
		mnt, err := newOverlay(image, objects, o, w)
		// A kernel that takes no detached mount as a layer says only EINVAL. So
		// it does in other cases, and then will again.
		if !errors.Is(err, unix.EINVAL) {
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
	mnt, err := newOverlay(image, objects, o, w)
	// The overlay has a mount of its own of the image.
	if derr := unix.Unmount(dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); derr != nil {
		mnt.Close()
		return nil, fmt.Errorf("unmount the image from %s: %w", dir, derr)
	}
	return mnt, err
}

func newOverlay(image *os.File, objects []*os.File, o Options, w ways) (*os.File, error) {
	c, err := open("overlay")
	if err != nil {
		return nil, err
	}
	defer c.close()
	for _, s := range [][2]string{{"source", source + o.Name}, {"metacopy", "on"}, {"redirect_dir", "on"}} {
		if err := c.setString(s[0], s[1]); err != nil {
			return nil, err
		}
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
		if err := c.setUpper(o, w); err != nil {
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

// setUpper sets the writable layer. The kernel never sees the paths of its
// directories, in which a backslash would be an escape.
func (c *context) setUpper(o Options, w ways) error {
	for _, l := range [][2]string{{"upperdir", o.Upper}, {"workdir", o.Work}} {
		dir, err := os.OpenFile(l[1], unix.O_DIRECTORY, 0)
		if err != nil {
			return fmt.Errorf("%s: %w", l[0], err)
		}
		err = c.setLayer(l[0], dir, &w)
		dir.Close()
		if err != nil {
			return err
		}
	}
	return nil
}
