// Package mount mounts an EROFS image and its objects as a composefs, and finds existing
// composefs mounts.
//
// A composefs is an overlay mount with two kinds of lower layers: on top the EROFS image, which
// has all names and metadata, and below it data-only layers, directories of objects to which the
// image's files redirect. Overlayfs uses the data-only layers only for redirects, and shows
// nothing else of them.
//
// It needs Linux 6.5, the first with data-only layers, and a privileged caller. It does not
// handle repositories or verify the digest of an image: the caller does that before.
package mount

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Options say how an image is mounted. The zero value mounts it read-only,
// without a name, and lets overlayfs trust the objects.
type Options struct {
	// Name identifies the image, by its digest in hex, to whoever reads
	// /proc/mounts: the source of the mount is "composefs:" and Name.
	Name string

	// Verity has overlayfs refuse, by EIO at open, each object whose fs-verity
	// digest is not the one in the image (verity=require, since Linux 6.6).
	// TryVerity does the same where the kernel can.
	Verity, TryVerity bool

	// Upper and Work are the directories of a writable layer above the image,
	// both on one file system, Work empty. Both are given or none. In Work is noted
	// which xattrs overlayfs has there (UserXattrs), and the other kind is refused.
	Upper, Work string

	// ReadWrite makes the mount writable. Without it the mount is read-only,
	// though there be an Upper, which then only shows what it has; without an
	// Upper there is nothing to write to, and the mount is read-only anyway.
	ReadWrite bool

	// IDMap is a user namespace (an open /proc/PID/ns/user) by whose mapping the
	// owners in the image are shown. Nil means that they are shown as they are.
	IDMap *os.File

	// Lease, if it is not nil, is called with the ID of the mount before that is attached
	// to its directory, where everybody sees it. The function that it returns is called
	// if attaching it fails.
	Lease func(ID) (drop func())
}

// source is what overlayfs is told to be mounted from, and Mounted looks for.
const source = "composefs:"

// ways are those of older kernels to do a step. Mount takes one when the kernel
// refuses the newer way; tests take them without need.
type ways struct {
	loop   bool // the image through a loop device: before 6.12, and of a file on tmpfs
	paths  bool // layers by their paths in /proc/self/fd, not by descriptor: before 6.13
	joined bool // all lower layers in one string, not by lowerdir+ and datadir+: before 6.7
	attach bool // the image attached to a directory, as a layer can't be a detached mount: before 6.15
}

// Mount mounts a composefs of image, which is an EROFS image open for reading,
// and of objects, open directories, at dir. It leaves no mount and no loop device
// behind when it fails, and none but the one at dir and what that uses when it is
// done. Where the kernel gave its reasons, the error has them.
//
// Before Linux 6.15 the image is mounted on a temporary directory for a moment;
// if the process is killed just then, that mount stays.
func Mount(image *os.File, objects []*os.File, dir string, o Options) error {
	return mount(image, objects, dir, o, ways{})
}

func mount(image *os.File, objects []*os.File, dir string, o Options, w ways) error {
	if len(objects) == 0 {
		return errors.New("a composefs needs a directory of objects")
	}
	// A descriptor's number alone keeps no file from being closed.
	defer runtime.KeepAlive(image)
	defer runtime.KeepAlive(o.IDMap)
	target, err := openTarget(dir, o)
	if err != nil {
		return err
	}
	defer target.Close()
	lower, err := mountImage(image, o.IDMap, w)
	if err != nil {
		return err
	}
	defer lower.Close()
	return stack(lower, objects, target, trustedXattrs, o, w)
}

// openTarget opens the directory on which is mounted.
func openTarget(dir string, o Options) (*os.File, error) {
	if (o.Upper == "") != (o.Work == "") {
		return nil, errors.New("an upper directory and a work directory must be given together")
	}
	target, err := os.OpenFile(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, fmt.Errorf("mount point: %w", err)
	}
	// The kernel may still have the attributes of a FUSE mount whose server has ended, but not this.
	if err := unix.Fstatfs(fd(target), new(unix.Statfs_t)); err == unix.ENOTCONN {
		target.Close()
		return nil, fmt.Errorf("mount point: statfs %s: %w: the server of a FUSE mount there has ended; unmount it first, by umount or fusermount3 -u", dir, err)
	}
	return target, nil
}

// stack mounts an overlay of a file system with metadata and of objects.
func stack(lower *os.File, objects []*os.File, target *os.File, x xattrs, o Options, w ways) error {
	defer runtime.KeepAlive(objects)
	fs, err := mountOverlay(lower, objects, x, o, w)
	if err != nil {
		return err
	}
	defer fs.Close()
	return attach(fs, target, o)
}

// attach makes a mount visible at a directory.
func attach(mnt, target *os.File, o Options) error {
	drop, err := lease(mnt, o)
	if err != nil {
		return err
	}
	if err := move(mnt, target); err != nil {
		drop()
		return err
	}
	return nil
}

func lease(mnt *os.File, o Options) (drop func(), err error) {
	if o.Lease == nil {
		return func() {}, nil
	}
	id, err := idOf(mnt)
	if err != nil {
		return nil, err
	}
	return o.Lease(id), nil
}

// move attaches a detached mount to a directory. The descriptor stays good, and
// is closed without unmounting.
func move(mnt, dir *os.File) error {
	err := unix.MoveMount(fd(mnt), "", fd(dir), "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
	if err != nil {
		return fmt.Errorf("attach %s to %s: %w", mnt.Name(), dir.Name(), err)
	}
	return nil
}

func fd(f *os.File) int { return int(f.Fd()) }

// procPath names an open file by a path, for where the kernel takes no
// descriptor.
func procPath(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }
