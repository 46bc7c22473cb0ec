package mount

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// mountImage mounts an EROFS image, attached nowhere.
func mountImage(image, idmap *os.File, w ways) (*os.File, error) {
	var mnt *os.File
	err := error(unix.ENOTBLK)
	if !w.loop {
		mnt, err = mountEROFS(image)
	}
	if errors.Is(err, unix.ENOTBLK) {
		mnt, err = mountLoop(image)
	}
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", image.Name(), err)
	}
	if idmap == nil {
		return mnt, nil
	}
	if err := mapOwners(mnt, idmap); err != nil {
		mnt.Close()
		return nil, fmt.Errorf("image %s: map owners by %s: %w", image.Name(), idmap.Name(), err)
	}
	return mnt, nil
}

func mountEROFS(from *os.File) (*os.File, error) {
	c, err := open("erofs")
	if err != nil {
		return nil, err
	}
	defer c.close()
	if err := c.setFlag("ro"); err != nil {
		return nil, err
	}
	if err := c.setPath("source", from); err != nil {
		return nil, err
	}
	return c.mount(unix.MOUNT_ATTR_RDONLY)
}

func mountLoop(image *os.File) (*os.File, error) {
	dev, err := attachLoop(image)
	if err != nil {
		return nil, err
	}
	defer dev.Close() // the mount keeps it busy from now on
	return mountEROFS(dev)
}

// loopTries bounds how often another process may be faster in taking the loop
// device that was free a moment ago.
const loopTries = 100

// attachLoop makes a loop device of image, read-only, which frees itself when
// neither the returned file nor a mount uses it any more.
func attachLoop(image *os.File) (*os.File, error) {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer control.Close()
	for try := 1; ; try++ {
		n, err := unix.IoctlRetInt(fd(control), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, fmt.Errorf("find a free loop device: %w", err)
		}
		dev, err := configureLoop(fmt.Sprintf("/dev/loop%d", n), image)
		if !errors.Is(err, unix.EBUSY) || try == loopTries {
			return dev, err
		}
	}
}

func configureLoop(name string, image *os.File) (*os.File, error) {
	dev, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	config := unix.LoopConfig{
		Fd:   uint32(image.Fd()),
		Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_READ_ONLY | unix.LO_FLAGS_AUTOCLEAR},
	}
	if err := unix.IoctlLoopConfigure(fd(dev), &config); err != nil {
		dev.Close()
		return nil, fmt.Errorf("configure %s: %w", name, err)
	}
	return dev, nil
}

// mapOwners makes a detached mount show owners by the mapping of a user
// namespace.
func mapOwners(mnt, userns *os.File) error {
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(userns.Fd())}
	return unix.MountSetattr(fd(mnt), "", unix.AT_EMPTY_PATH, &attr)
}
