package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"cfs/lib/corrupt"
	"cfs/lib/erofs"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/tool"
	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// open returns the image that the operand names.
func open(c *cli.Context) (*erofs.Reader, error) {
	if c.NArg() != 1 {
		return nil, tool.UsageError("want one IMAGE")
	}
	return openNamed(c, c.Args().First())
}

func openNamed(c *cli.Context, name string) (*erofs.Reader, error) {
	if isFile(name) {
		return openFile(name)
	}
	return openStored(c, name)
}

// isFile reports whether an operand names a file, and nothing in the repository.
func isFile(name string) bool {
	return strings.Contains(name, "/") || strings.HasSuffix(name, ".erofs") || strings.HasSuffix(name, ".dump")
}

// openStored opens an image that is in the repository.
func openStored(c *cli.Context, name string) (*erofs.Reader, error) {
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

func openFile(name string) (*erofs.Reader, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	image, err := readImage(f, st.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return image, nil
}

// readImage reads an image, for which it takes memory of the size that is given if
// that is what r has.
func readImage(r io.Reader, size int64) (*erofs.Reader, error) {
	var data bytes.Buffer
	data.Grow(int(min(size, erofs.MaxSize)) + bytes.MinRead)
	if _, err := data.ReadFrom(io.LimitReader(r, erofs.MaxSize+1)); err != nil {
		return nil, err
	}
	if data.Len() > erofs.MaxSize {
		return nil, corrupt.Errorf("more than %d bytes, which no image has", erofs.MaxSize)
	}
	return erofs.Open(data.Bytes())
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
	id, ok := image.Config.Images[variant.Variant{Format: r.Formats[0]}.Key()]
	if !ok {
		return verity.ID{}, fmt.Errorf("%s has no EROFS image of format %d: %w", name, r.Formats[0], fs.ErrNotExist)
	}
	return id, nil
}

// findContainer opens the container image that an operand names.
func findContainer(r *repo.Repo, name string) (*oci.Image, error) {
	image, err := oci.Find(r, name)
	if err == nil && !image.Manifest.IsContainer() {
		err = fmt.Errorf("%s %w", name, errArtifact)
	}
	return image, err
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

func listObjects(c *cli.Context) error {
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
