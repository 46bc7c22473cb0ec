// Package boot transforms the tree of a container image into its boot variant: the root file
// system of a machine whose kernel command line contains the digest of that EROFS image.
//
// It differs from the container's tree in two ways. /boot and /sysroot are empty, so that a
// kernel image in /boot can contain the digest of the image that it is part of. And files have
// the SELinux labels that the policy in the tree defines, or none.
//
// It also finds the boot entries in the container's tree: those of the Boot Loader Specification,
// unified kernel images, and kernels. Reading trees and writing images is up to the caller.
package boot

import (
	"fmt"

	"cfs/lib/selinux"
	"cfs/lib/tree"
)

// emptied are the directories whose content is not part of what is booted.
var emptied = []string{"boot", "sysroot"}

// Transform turns the canonical tree of a container image into its boot variant, in
// place. After an error the tree must not be used any more. The error is marked as
// corrupt if the SELinux policy is not what its format says.
func Transform(root *tree.Inode, content tree.Content) error {
	usr, err := directory(root, "usr")
	if err != nil {
		return err
	}
	for _, name := range emptied {
		dir, err := directory(root, name)
		if err != nil {
			return err
		}
		dir.Mtime.Sec = usr.Mtime.Sec // the reference leaves the nanoseconds
		dir.Clear()
	}
	return selinux.Relabel(root, content)
}

// directory returns the entry of the root that must be a directory.
func directory(root *tree.Inode, name string) (*tree.Inode, error) {
	switch n := root.Lookup(name); {
	case n == nil:
		return nil, fmt.Errorf("/%s is missing: not a bootable image", name)
	case !n.IsDir():
		return nil, fmt.Errorf("/%s is not a directory: not a bootable image", name)
	default:
		return n, nil
	}
}
