// Cfs-mount mounts a container image, or any EROFS image of a repository.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/urfave/cli/v2"

	"cfs/lib/corrupt"
	"cfs/lib/mount"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/tool"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

func main() {
	tool.Main(&cli.App{
		Name:      "cfs-mount",
		Usage:     "mount an image",
		UsageText: "cfs-mount [options] NAME|DIGEST DIR\ncfs-mount [options] -o basedir=OBJECTS[,…] FILE DIR",
		Description: "Mounts the EROFS image of a container image, by tag or digest, or the one of an fs-verity\ndigest, read-only unless --read-write is given. Unmount with umount(8).\n\n" +
			"-o takes the options of mount.composefs: basedir=DIR[:DIR]..., digest=HEX, verity,\ntryverity, upperdir=DIR, workdir=DIR, idmap=FILE, ro, rw. With basedir the image is a FILE.\n\n" +
			"EXAMPLES:\n   cfs-mount NAME /mnt\n   cfs-mount --upperdir up --workdir work --read-write NAME /mnt",
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "bootable", Usage: "mount the boot image of a container image, not the plain one"},
			&cli.BoolFlag{Name: "require-verity", Usage: "fail if the repository is not protected by fs-verity"},
			&cli.StringFlag{Name: "upperdir", Usage: "what is written goes to `DIR`"},
			&cli.StringFlag{Name: "workdir", Usage: "an empty `DIR` on the file system of --upperdir"},
			&cli.BoolFlag{Name: "read-write", Usage: "with --upperdir: make the mount writable"},
			&cli.StringSliceFlag{Name: "options", Aliases: []string{"o"}, Usage: "`OPTION`[,OPTION]... as mount.composefs has them"},
		}, tool.RepoFlags()...),
		Action: run,
	})
}

// request is what is to be mounted.
type request struct {
	image   *os.File
	objects []*os.File
	mount.Options
}

func (q *request) close() {
	for _, f := range append([]*os.File{q.image, q.IDMap}, q.objects...) {
		if f != nil {
			f.Close()
		}
	}
}

func run(c *cli.Context) error {
	if c.NArg() != 2 {
		return tool.UsageError("want NAME|DIGEST and DIR")
	}
	o, err := parseOptions(c)
	if err != nil {
		return err
	}
	q := &request{}
	defer q.close()
	if o.basedir != nil {
		err = q.openFile(c.Args().First(), o)
	} else {
		err = q.openStored(c)
	}
	if err != nil {
		return err
	}
	q.Verity, q.TryVerity = q.Verity || o.verity, o.tryVerity && !q.Verity
	q.Upper, q.Work, q.ReadWrite = o.upper, o.work, o.readWrite
	if o.idmap != "" {
		if q.IDMap, err = os.Open(o.idmap); err != nil {
			return err
		}
	}
	err = mount.Mount(q.image, q.objects, c.Args().Get(1), q.Options)
	if errors.Is(err, fs.ErrPermission) {
		return tool.Hint(err, "only root can mount")
	}
	return err
}

// openStored opens an image of the repository, verified, and its objects.
func (q *request) openStored(c *cli.Context) error {
	r, err := tool.OpenRepo(c, false)
	if err != nil {
		return err
	}
	defer r.Close()
	if c.Bool("require-verity") && !r.Secure {
		return fmt.Errorf("repository %s is not protected by fs-verity", r.Path)
	}
	id, err := find(r, c.Args().First(), c.Bool("bootable"))
	if err != nil {
		return err
	}
	if _, err := oci.OpenEROFS(r, id); err != nil {
		return err
	}
	if q.image, err = r.Objects.Open(id); err != nil {
		return err
	}
	objects, err := r.Objects.Dir()
	if err != nil {
		return err
	}
	q.objects = []*os.File{objects}
	q.Name, q.Verity = id.String(), r.Secure
	return nil
}

// find returns the EROFS image that an operand names, of a container image the boot
// variant if that is wanted.
func find(r *repo.Repo, name string, bootable bool) (verity.ID, error) {
	found, err := oci.Find(r, name)
	if err == nil {
		err = found.CheckContainer()
	}
	if err != nil {
		return verity.ID{}, err
	}
	id, err := found.EROFS(variant.Variant{Boot: bootable, Format: r.Formats[0]})
	if !errors.Is(err, fs.ErrNotExist) {
		return id, err
	}
	with, option := "", ""
	if bootable {
		with, option = " with --bootable", " --bootable"
	}
	return id, tool.Hint(err, "pull it again%s, or: cfs-link show %s | cfs-mkerofs%s | cfs-link --tag %s", with, name, option, name)
}

// openFile opens an image that is a file, as mount.composefs does.
func (q *request) openFile(name string, o options) error {
	var err error
	if q.image, err = os.Open(name); err != nil {
		return err
	}
	if o.digest != "" {
		want, err := verity.ParseID(o.digest)
		if err != nil {
			return tool.UsageError("-o digest: %w", err)
		}
		got, err := verity.Measure(q.image)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if got != want {
			return corrupt.Errorf("%s: the kernel measures %s, want %s", name, got, want)
		}
		q.Name = want.String()
	}
	for _, dir := range o.basedir {
		f, err := os.Open(dir)
		if err != nil {
			return err
		}
		q.objects = append(q.objects, f)
	}
	return nil
}
