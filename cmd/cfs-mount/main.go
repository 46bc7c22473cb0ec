// Cfs-mount mounts a container image, or any EROFS image of a repository.
//
// Usage:
//
//	cfs-mount [options] NAME|DIGEST DIR
//	cfs-mount [options] -o basedir=OBJECTS[,…] FILE DIR
//	cfs-mount --list [--json] [options]
//
// It mounts the EROFS image of a container image, by tag or digest, or the one with an fs-verity
// digest, on top of the objects of the repository. An image that does not match its digest is not
// mounted. With -o basedir the image is a file, as for mount.composefs.
package main

import (
	"github.com/urfave/cli/v2"

	"cfs/lib/tool"
)

func main() {
	o := &options{}
	tool.Main(&cli.App{
		Name:      "cfs-mount",
		Usage:     "mount an image",
		UsageText: "cfs-mount [options] NAME|DIGEST DIR\ncfs-mount [options] -o basedir=OBJECTS[,…] FILE DIR\ncfs-mount --list [--json] [options]",
		Description: "Mounts the EROFS image of a container image, by tag or digest, or the one of an fs-verity\ndigest, read-only unless --read-write is given. Unmount with umount(8).\n\n" +
			"-o takes the options of mount.composefs: basedir=DIR[:DIR]..., digest=HEX, verity,\ntryverity, upperdir=DIR, workdir=DIR, idmap=FILE, ro, rw, and fuse=MODE, allow_other. With\nbasedir the image is a FILE.\n\n" +
			"EXAMPLES:\n   cfs-mount NAME /mnt\n   cfs-mount --upperdir up --workdir work --read-write NAME /mnt",
		Flags:  o.flags(),
		Action: o.Action(o.run),
	})
}
