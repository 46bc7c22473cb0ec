package bootable

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"path"
	"strings"

	"cfs/lib/boot"
	"cfs/lib/corrupt"
	"cfs/lib/lookup"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/terminal"
	"cfs/lib/tree"
	"cfs/lib/variant"
)

// Lister describes the boot entries of a container image.
type Lister struct {
	Repo       *repo.Repo
	RepoOption string // how commands name the repository, with a space behind it, or ""
}

// Entries yields the boot entries of the container image that an operand names. They are those
// in the tree of its layers: a boot image has nothing in /boot. An error is the last thing that
// is yielded; what is wrong with an entry alone is no error, but its Problem.
func (l Lister) Entries(operand string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		image, err := lookup.Container(l.Repo, operand)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		root, err := oci.Tree(l.Repo, image.Keys, image.Stream, variant.AllowlistOnly, nil)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		found, err := boot.Entries(root, l.open)
		if err != nil {
			yield(Entry{}, fmt.Errorf("%s: %w", operand, err))
			return
		}
		for _, e := range found {
			d, err := l.Describe(image.Config, e)
			if err != nil {
				err = fmt.Errorf("%s: %q: %w", operand, e.Path, err)
			}
			if !yield(d, err) || err != nil {
				return
			}
		}
	}
}

func (l Lister) open(n *tree.Inode) (io.ReadCloser, error) { return oci.OpenContent(l.Repo, n) }

// Describe describes a boot entry of an image with a config. The error is about what could not
// be read, or is damaged.
func (l Lister) Describe(c *oci.Config, e boot.Entry) (Entry, error) {
	d := Entry{Kind: string(e.Kind), Path: e.Path, Version: e.Version}
	switch e.Kind {
	case boot.KindBLS:
		d.Title = strings.Join(e.Loader.Values("title"), " ")
		d.Files = e.Loader.Files()
		d.Cmdline = e.Loader.Cmdline()
	case boot.KindKernel:
		if e.Initramfs == nil {
			d.Problem = "no initramfs.img next to it"
		} else {
			d.Files = []string{path.Dir(e.Path) + "/initramfs.img"}
		}
	default:
		u, problem, err := l.readUKI(e.File)
		if err != nil {
			return d, err
		}
		d.Title, d.Cmdline, d.Problem = u.Label, u.Cmdline, problem
	}
	k, err := boot.FindKarg(d.Cmdline, l.Repo.Algorithm)
	switch {
	case err != nil:
		d.Problem = terminal.Line(err.Error())
	case !k.ID.IsZero():
		d.Digest = k.ID.String()
		l.compare(&d, c, k)
	case e.Kind == boot.KindUKI && d.Problem == "":
		d.Problem = "the command line names no image"
	}
	return d, nil
}

// readUKI reads a UKI, and says what is wrong with it. That its object is damaged or
// missing is an error.
func (l Lister) readUKI(file *tree.Inode) (u boot.UKI, problem string, err error) {
	f, err := l.open(file)
	if err != nil {
		return u, "", err
	}
	defer f.Close()
	at, ok := f.(io.ReaderAt)
	if !ok { // it is inline
		data, err := io.ReadAll(f)
		if err != nil {
			return u, "", err
		}
		at = bytes.NewReader(data)
	}
	if u, err = boot.ReadUKI(at); corrupt.Is(err) {
		return u, terminal.Line(err.Error()), nil
	}
	return u, "", err
}

// compare says whether an entry names the boot image, in any format and xattr mode.
func (l Lister) compare(d *Entry, c *oci.Config, k boot.Karg) {
	var instead string
	for _, key := range c.ImageKeys() {
		v, ok := variant.ParseKey(key)
		if !ok || !v.Boot {
			continue
		}
		id := c.Images[key]
		if id == k.ID {
			d.BootImage = key
			return
		}
		if instead == "" || v.Format == k.Format && v.Xattrs == variant.AllowlistOnly {
			instead = id.String()
		}
	}
	if instead == "" {
		d.Make = Make
		return
	}
	other := k.ID.String()
	if _, err := l.Repo.Lookup(repo.Images, other); err != nil {
		other = file
	}
	d.Explain = "cfs-mkerofs diff " + l.RepoOption + instead + " " + other
}
