// Package boot makes the boot variant of a file system: the tree that a kernel
// boots into, when its command line names the digest of the EROFS image of that tree.
//
// It differs from the container's own tree in two things. /boot and /sysroot are
// empty, so that a kernel image in /boot can name the digest of the tree it lies in. And
// files have the SELinux labels that the policy in the tree says, or none.
//
// What there is to boot in the container's own tree are its entries: those of the Boot
// Loader Specification, unified kernel images, and kernels. Where a tree comes from, and what is made of it, is
// the caller's business.
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
		return nil, fmt.Errorf("/%s is no directory: not a bootable image", name)
	default:
		return n, nil
	}
}
