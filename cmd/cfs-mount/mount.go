package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"cfs/lib/corrupt"
	"cfs/lib/erofs"
	"cfs/lib/lookup"
	"cfs/lib/mount"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/tool"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// request is what is to be mounted.
type request struct {
	repo    *repo.Repo // whose lock keeps the image until the mount is visible; nil if it is a file
	image   *os.File
	reader  *erofs.Reader // of an image of the repository, verified
	objects []*os.File
	leased  bool // the mount has a lease
	mount.Options
}

func (q *request) close() {
	if q.repo != nil {
		q.repo.Close()
	}
	for _, f := range append([]*os.File{q.image, q.IDMap}, q.objects...) {
		if f != nil {
			f.Close()
		}
	}
}

func (o *options) run() error {
	if err := o.Check(rules); err != nil {
		return err
	}
	if o.list {
		return o.printList()
	}
	if len(o.Operands) != 2 {
		return tool.UsageError("want NAME|DIGEST and DIR")
	}
	if err := o.parse(); err != nil {
		return err
	}
	kernel, err := o.byKernel()
	if err != nil {
		return err
	}
	if !kernel && !o.foreground && !isServer() {
		return startServer()
	}
	q := &request{Options: o.mount}
	defer q.close()
	open := o.openStored
	if o.basedir != nil {
		open = o.openFile
	}
	if err := open(q, o.Operands[0]); err != nil {
		return err
	}
	if !kernel {
		return o.serve(q, o.Operands[1])
	}
	if o.idmap != "" {
		if q.IDMap, err = os.Open(o.idmap); err != nil {
			return err
		}
	}
	err = mount.Mount(q.image, q.objects, o.Operands[1], q.Options)
	if errors.Is(err, fs.ErrPermission) {
		return tool.Hint(err, "only root can mount; others can by FUSE, without --fuse no")
	}
	return err
}

// openStored opens an image of the repository, verified, and its objects.
func (o *options) openStored(q *request, name string) error {
	r, err := o.OpenRepo(false)
	if err != nil {
		return err
	}
	q.repo = r
	if o.requireVerity && !r.Secure {
		return fmt.Errorf("repository %s is not protected by fs-verity", r.Path)
	}
	if o.insecure {
		if err := r.Loosen(); err != nil {
			return err
		}
	}
	id, err := o.find(r, name)
	if err != nil {
		return err
	}
	if err := o.checkSignature(r, name, id); err != nil {
		return err
	}
	if q.reader, err = oci.OpenEROFS(r, id); err != nil {
		return err
	}
	image, err := r.Objects.Open(id)
	if err != nil {
		return err
	}
	q.image = image.File()
	if o.insecure {
		if q.Verity, err = isProtected(q.image, id); err != nil {
			return err
		}
	}
	objects, err := r.Objects.Dir()
	if err != nil {
		return err
	}
	q.objects = []*os.File{objects}
	q.Name, q.Verity = id.String(), q.Verity || r.Secure
	q.Lease = func(m mount.ID) (drop func()) {
		drop, q.leased = o.lease(r, m, id)
		return drop
	}
	return nil
}

// isProtected reports whether the kernel vouches for an image: then it is to do so for the objects
// too, whatever the repository says of itself.
func isProtected(image *os.File, id verity.ID) (bool, error) {
	got, err := verity.Measure(image)
	switch {
	case errors.Is(err, verity.ErrNotEnabled), errors.Is(err, verity.ErrUnsupported):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("EROFS image %s: %w", id, err)
	case got != id:
		return false, corrupt.Errorf("EROFS image %s: the kernel measures %s", id, got)
	}
	return true, nil
}

// lease keeps the image from collectors that do not see the mount. It returns how to end
// that, and whether it did. A repository that cannot be written is mounted without a lease.
func (o *options) lease(r *repo.Repo, m mount.ID, id verity.ID) (drop func(), leased bool) {
	err := r.Writable()
	if err == nil {
		err = oci.LeaseMount(r, m, id)
	}
	if err != nil {
		o.Warn("warning: no lease: cfs-gc keeps the image only where it sees the mount: %v", err)
		return func() {}, false
	}
	return func() {
		if err := oci.DropMount(r, m); err != nil {
			o.Warn("warning: the lease of the mount stays: %v", err)
		}
	}, true
}

// find returns the EROFS image that an operand names, of a container image the boot
// variant if that is wanted.
func (o *options) find(r *repo.Repo, name string) (verity.ID, error) {
	found, err := lookup.Find(r, name)
	if err == nil {
		err = found.CheckContainer()
	}
	if err != nil {
		return verity.ID{}, err
	}
	id, err := found.EROFS(variant.Variant{Boot: o.bootable, Format: r.Formats[0]})
	if !errors.Is(err, fs.ErrNotExist) {
		return id, err
	}
	with, option := "", ""
	if o.bootable {
		with, option = " with --bootable", " --bootable"
	}
	return id, tool.Hint(err, "pull it again%s, or: cfs-link show %s | cfs-mkerofs%s | cfs-link --tag %s", with, name, option, name)
}

// openFile opens an image that is a file, as mount.composefs does.
func (o *options) openFile(q *request, name string) error {
	var err error
	if q.image, err = os.Open(name); err != nil {
		return err
	}
	if !o.digest.IsZero() {
		got, err := verity.Measure(q.image)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if got != o.digest {
			return corrupt.Errorf("%s: the kernel measures %s, want %s", name, got, o.digest)
		}
		q.Name = o.digest.String()
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
