package mount

import (
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"cfs/lib/userns"
)

// FUSE says how a FUSE mount behaves. All are read-only, without set-uid programs and devices, and the
// kernel checks permissions by the modes that the server gives.
type FUSE struct {
	// MaxRead is the size in bytes of the largest read of the kernel.
	MaxRead int

	// AllowOther lets all users in, not just the one who mounts.
	AllowOther bool
}

// Type is the type of FUSE mounts of ours after "fuse.".
const Type = "composefs"

// Source returns what /proc/mounts has as the source of a mount of an image by that name.
func Source(name string) string { return source + name }

// NewFUSE makes a FUSE mount of an open /dev/fuse whose requests the caller will answer. It is attached nowhere:
// closing the file unmounts it. It needs CAP_SYS_ADMIN in the user namespace of the caller.
func NewFUSE(dev *os.File, o Options, f FUSE) (*os.File, error) {
	defer runtime.KeepAlive(dev)
	c, err := open("fuse")
	if err != nil {
		return nil, err
	}
	defer c.close()
	for _, s := range [][2]string{
		{"source", Source(o.Name)}, {"subtype", Type},
		{"fd", strconv.Itoa(fd(dev))}, {"rootmode", strconv.FormatUint(unix.S_IFDIR, 8)},
		{"user_id", strconv.Itoa(os.Geteuid())}, {"group_id", strconv.Itoa(os.Getegid())},
		{"max_read", strconv.Itoa(f.MaxRead)},
	} {
		if err := c.setString(s[0], s[1]); err != nil {
			return nil, err
		}
	}
	flags := []string{"ro", "default_permissions"}
	if f.AllowOther {
		flags = append(flags, "allow_other")
	}
	for _, name := range flags {
		if err := c.setFlag(name); err != nil {
			return nil, err
		}
	}
	return c.mount(unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV)
}

// AttachFUSE attaches a mount of NewFUSE, whose requests are being answered, to a directory. With objects it is the layer
// with the metadata of an overlay mount, which is attached in its place; the server has xattrs user.overlay.* for it.
// The descriptor of the FUSE mount may be closed then.
func AttachFUSE(mnt *os.File, objects []*os.File, dir string, o Options) error {
	target, err := openTarget(dir, o)
	if err != nil {
		return err
	}
	defer target.Close()
	if objects == nil {
		return attach(mnt, target, o)
	}
	return stack(mnt, objects, target, userXattrs, o, ways{})
}

// At returns the ID of the mount that is attached to a directory, or has it within.
func At(dir string) (ID, error) {
	f, err := os.OpenFile(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return ID{}, err
	}
	defer f.Close()
	return idOf(f)
}

// Unmount unmounts the mount with an ID from a directory. If another mount or none is there, as somebody was faster,
// nothing happens.
func Unmount(dir string, id ID) error {
	if at, err := At(dir); err != nil || at != id {
		return err
	}
	if err := unix.Unmount(dir, unix.UMOUNT_NOFOLLOW); err != nil {
		return fmt.Errorf("unmount %s: %w", dir, err)
	}
	return nil
}

// ProbeUserOverlay returns nil if the caller can mount overlays with data-only layers by xattrs of users, as AttachFUSE
// does: it makes such a mount of empty directories, which is attached nowhere.
func ProbeUserOverlay(verity bool) error {
	c, err := open("tmpfs")
	if err != nil {
		return err
	}
	defer c.close()
	mnt, err := c.mount(0)
	if err != nil {
		return err
	}
	defer mnt.Close()
	var dirs []*os.File
	for _, name := range []string{"lower", "objects"} {
		if err := unix.Mkdirat(fd(mnt), name, 0o755); err != nil {
			return fmt.Errorf("tmpfs: %w", err)
		}
		n, err := unix.Openat(fd(mnt), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("tmpfs: %w", err)
		}
		dir := os.NewFile(uintptr(n), name)
		defer dir.Close()
		dirs = append(dirs, dir)
	}
	overlay, err := newOverlay(dirs[0], dirs[1:], userXattrs, Options{Verity: verity}, ways{})
	if err != nil {
		return err
	}
	return overlay.Close()
}

// Privilege is what the caller may mount.
type Privilege int

const (
	Unprivileged Privilege = iota // nothing, without the help of fusermount3
	Namespaced                    // what its own user namespace may: no EROFS
	Privileged                    // everything: CAP_SYS_ADMIN in the initial user namespace
)

// Allowed returns what the caller may mount.
func Allowed() (Privilege, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return Unprivileged, fmt.Errorf("capabilities: %w", err)
	}
	if sets[0].Effective>>unix.CAP_SYS_ADMIN&1 == 0 {
		return Unprivileged, nil
	}
	initial, err := userns.Initial()
	if err != nil || !initial {
		return Namespaced, err
	}
	return Privileged, nil
}
