package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"cfs/lib/erofs"
	"cfs/lib/oci"
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
	file, err := isFile(c, name)
	switch {
	case err != nil:
		return nil, err
	case file:
		return openFile(name)
	}
	return openStored(c, name)
}

// isFile reports whether an operand is a file, and nothing in the repository.
func isFile(c *cli.Context, name string) (bool, error) {
	path, err := tool.RepoPath(c)
	if err != nil {
		path = "" // files need no repository; whoever opens it will meet the error again
	}
	return oci.IsFile(path, name)
}

// openStored opens an image that is in the repository.
func openStored(c *cli.Context, name string) (*erofs.Reader, error) {
	r, err := tool.OpenRepo(c, false)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	found, err := oci.Find(r, name)
	if err != nil {
		return nil, err
	}
	id, err := found.EROFS(variant.Variant{Format: r.Formats[0]})
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
	image, err := erofs.Read(f, st.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return image, nil
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
