package build

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"strings"

	"cfs/lib/boot"
	"cfs/lib/scan"
	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// Directory is a directory that an image is made of, and what of it goes into the image.
type Directory struct {
	Path   string
	Xattrs variant.XattrMode // which extended attributes are kept

	AsIs        bool // not in the canonical form of container images: all xattrs are kept
	Bootable    bool // the boot variant
	Epoch       bool // all times are 0
	SkipDevices bool
	SkipXattrs  bool // keep none
	UserXattrs  bool // keep only those of user.*
	SplitLinks  bool // make a file of each name of a file
	Threads     int  // how many files are read at once, 0 for as many as there are CPUs

	DigestStore string // the folder of a store for the content of files, "" for none
}

// read returns the tree of the directory, or of its boot variant.
func (d *Directory) read(i Input) (*tree.Inode, error) {
	a := cmp.Or(i.algorithm(), verity.SHA512)
	root, err := d.scan(i, a)
	if err == nil && !d.AsIs {
		root, err = tree.Canonicalize(root, false, i.Rules)
	}
	if err == nil && d.Bootable {
		err = d.transform(root, a)
	}
	return root, err
}

func (d *Directory) scan(i Input, a verity.Algorithm) (*tree.Inode, error) {
	put, done, err := d.store(i.Repo, a)
	if err != nil {
		return nil, err
	}
	o := scan.Options{SkipDevices: d.SkipDevices, Epoch: d.Epoch, SplitLinks: d.SplitLinks, Threads: d.Threads, Put: put, Rules: i.Rules}
	if !d.SkipXattrs {
		o.Xattr = d.keeps
	}
	root, err := scan.Scan(d.Path, o)
	return root, errors.Join(err, done())
}

// keeps reports whether the image keeps the extended attribute of a name.
func (d *Directory) keeps(name string) bool {
	return (d.AsIs || d.Xattrs.Keeps(name)) && (!d.UserXattrs || strings.HasPrefix(name, "user."))
}

// transform turns the tree into its boot variant. What can be booted from it is not looked
// for, as the reference doesn't: the digest is all that is wanted.
func (d *Directory) transform(root *tree.Inode, a verity.Algorithm) error {
	paths := map[*tree.Inode]string{}
	for path, n := range tree.Walk(root) {
		if n.IsRegular() && strings.HasPrefix(path, "/etc/selinux/") {
			paths[n] = path
		}
	}
	err := boot.Transform(root, func(n *tree.Inode) (io.ReadCloser, error) {
		data, err := scan.ReadFile(d.Path, paths[n], n, a)
		return io.NopCloser(bytes.NewReader(data)), err
	})
	if err == nil || errors.Is(err, scan.ErrChanged) {
		return err
	}
	return bootError(d.Path, err)
}
