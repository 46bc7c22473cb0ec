package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"cfs/lib/corrupt"
	"cfs/lib/dumpfile"
	"cfs/lib/erofs"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/tool"
	"cfs/lib/tree"
	"cfs/lib/verity"
)

// maxFile is the size in bytes up to which a file is read as an image.
const maxFile = 1 << 30

// open returns the image that the operand names.
func open(c *cli.Context) (*erofs.Image, error) {
	if c.NArg() != 1 {
		return nil, tool.UsageError("want one IMAGE")
	}
	name := c.Args().First()
	if strings.Contains(name, "/") || strings.HasSuffix(name, ".erofs") {
		return openFile(name)
	}
	r, err := tool.OpenRepo(c, false)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	id, err := findImage(r, name)
	if err != nil {
		return nil, err
	}
	return oci.OpenEROFS(r, id)
}

func openFile(name string) (*erofs.Image, error) {
	st, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if st.Size() > maxFile {
		return nil, corrupt.Errorf("%s: %d bytes are more than any image has", name, st.Size())
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	image, err := erofs.Open(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return image, nil
}

// findImage returns the EROFS image of an fs-verity digest, or of a container image
// in the repository's default format.
func findImage(r *repo.Repo, name string) (verity.ID, error) {
	if id, err := verity.ParseID(name); err == nil && id.Algorithm() == r.Algorithm {
		return id, nil
	}
	image, err := oci.Find(r, name)
	if err != nil {
		return verity.ID{}, err
	}
	id, ok := image.Config.Images[oci.Variant{Version: r.Formats[0]}.Key()]
	if !ok {
		return verity.ID{}, fmt.Errorf("%s has no EROFS image of format %d: %w", name, r.Formats[0], fs.ErrNotExist)
	}
	return id, nil
}

func dump(c *cli.Context) error {
	image, err := open(c)
	if err != nil {
		return err
	}
	root, err := image.Tree()
	if err != nil {
		return err
	}
	return dumpfile.Write(os.Stdout, root)
}

func list(c *cli.Context) error {
	image, err := open(c)
	if err != nil {
		return err
	}
	root, err := image.Tree()
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	for path := range tree.Walk(root) {
		fmt.Fprintln(out, path)
	}
	return out.Flush()
}

func objects(c *cli.Context) error {
	image, err := open(c)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	err = image.Objects(func(id verity.ID) error {
		_, err := fmt.Fprintln(out, id)
		return err
	})
	return errors.Join(err, out.Flush())
}
