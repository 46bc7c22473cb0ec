package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/urfave/cli/v2"

	"cfs/lib/boot"
	"cfs/lib/corrupt"
	"cfs/lib/dumpfile"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/tool"
	"cfs/lib/tree"
	"cfs/lib/variant"
)

const bootEntriesHelp = "The entries are those of the Boot Loader Specification, unified kernel images (UKIs) and add-ons\n" +
	"to them, and kernels below /usr/lib/modules. Of an image that is named on a kernel command line\n" +
	"it is said whether it is the boot image of NAME; if not, which command explains why."

func bootEntriesFlags() []cli.Flag {
	return []cli.Flag{&cli.BoolFlag{Name: "json", Usage: "write the entries as JSON objects, one a line"}}
}

// bootEntries lists what can be booted in a container image. It looks at the tree of the
// layers: a boot image has nothing in /boot.
func bootEntries(c *cli.Context) error {
	if c.NArg() != 1 {
		return tool.UsageError("want one NAME")
	}
	name := c.Args().First()
	r, err := tool.OpenRepo(c, false)
	if err != nil {
		return err
	}
	defer r.Close()
	image, err := oci.FindContainer(r, name)
	if err != nil {
		return err
	}
	root, err := oci.Tree(r, image.Keys, image.Stream, variant.AllowlistOnly, false)
	if err != nil {
		return err
	}
	entries, err := boot.Entries(root, func(n *tree.Inode) (io.ReadCloser, error) { return oci.OpenContent(r, n) })
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	l := lister{c, r, image}
	out := bufio.NewWriter(os.Stdout)
	for _, e := range entries {
		d, err := l.describe(e)
		if err != nil {
			return fmt.Errorf("%s: %q: %w", name, e.Path, err)
		}
		if c.Bool("json") {
			err = writeJSON(out, d)
		} else {
			_, err = io.WriteString(out, d.text())
		}
		if err != nil {
			return err
		}
	}
	return out.Flush()
}

// lister describes the entries of an image.
type lister struct {
	c     *cli.Context
	repo  *repo.Repo
	image *oci.Image
}

func (l lister) describe(e boot.Entry) (description, error) {
	d := description{Kind: string(e.Kind), Path: dumpfile.Escape(e.Path), Version: dumpfile.Escape(e.Version)}
	switch e.Kind {
	case boot.KindBLS:
		d.Title = strings.Join(e.Loader.Values("title"), " ")
		d.Files = e.Loader.Files()
		d.Cmdline = e.Loader.Cmdline()
	case boot.KindKernel:
		if e.Initramfs == nil {
			d.Problem = "no initramfs.img beside it"
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
	k, err := boot.FindKarg(d.Cmdline, l.repo.Algorithm)
	switch {
	case err != nil:
		d.Problem = tool.OneLine(err)
	case !k.ID.IsZero():
		d.Digest = k.ID.String()
		l.compare(&d, k)
	case e.Kind == boot.KindUKI && d.Problem == "":
		d.Problem = "the command line names no image"
	}
	return d, nil
}

// readUKI reads a UKI, and says what is wrong with it. That its object is damaged or
// missing is an error.
func (l lister) readUKI(file *tree.Inode) (u boot.UKI, problem string, err error) {
	f, err := oci.OpenContent(l.repo, file)
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
		return u, tool.OneLine(err), nil
	}
	return u, "", err
}

// compare says whether an entry names the boot image, in any format and xattr mode.
func (l lister) compare(d *description, k boot.Karg) {
	var instead string
	for _, key := range l.image.Config.ImageKeys() {
		v, ok := variant.ParseKey(key)
		if !ok || !v.Boot {
			continue
		}
		id := l.image.Config.Images[key]
		if id == k.ID {
			d.BootImage, d.Explain, d.Make = key, "", ""
			return
		}
		if instead == "" || v.Format == k.Format && v.Xattrs == variant.AllowlistOnly {
			instead = id.String()
		}
	}
	if instead == "" {
		d.Make = makeBoot
		return
	}
	other := k.ID.String()
	if _, err := l.repo.Lookup(repo.Images, other); err != nil {
		other = "FILE"
	}
	d.Explain = "cfs-mkerofs diff " + l.where() + instead + " " + other
}

// where returns the option that names the repository, if there was one.
func (l lister) where() string {
	switch {
	case l.c.IsSet("repo"):
		return "--repo '" + strings.ReplaceAll(l.c.String("repo"), "'", `'\''`) + "' "
	case l.c.Bool("user"):
		return "--user "
	case l.c.Bool("system"):
		return "--system "
	}
	return ""
}

func writeJSON(out io.Writer, d description) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	return e.Encode(d)
}
