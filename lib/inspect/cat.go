package inspect

import (
	"errors"
	"fmt"
	"io"

	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/tree"
)

// Cat writes the content of a file in the image that an operand names. Symbolic links in the
// image are followed. What the image does not hold itself comes from the repository.
func (o Operands) Cat(w io.Writer, name, path string) error {
	image, err := o.EROFS(name)
	if err != nil {
		return err
	}
	root, err := image.Tree()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	n, err := Find(root, path, true)
	if err == nil && !n.IsRegular() {
		err = fmt.Errorf("%q: %w", path, errNotRegular)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	c := contents{open: o.OpenRepo}
	if err := errors.Join(c.write(w, n), c.close()); err != nil {
		return fmt.Errorf("%s: %q: %w", name, path, err)
	}
	return nil
}

// contents are those of files in an image. The repository is opened when the first of its objects is needed.
type contents struct {
	open func(exclusive bool) (*repo.Repo, error)
	repo *repo.Repo
}

// write writes the content of a regular file.
func (c *contents) write(w io.Writer, n *tree.Inode) (err error) {
	switch {
	case n.Payload != "" && n.Object.IsZero():
		return fmt.Errorf("its content is %q, which has no digest", n.Payload)
	case n.Object.IsZero() && n.Inline == "": // it is sparse, or empty
		_, err := io.CopyN(w, zeros{}, int64(n.Size))
		return err
	case n.Object.IsZero():
		_, err := io.WriteString(w, n.Inline)
		return err
	}
	if c.repo == nil {
		if c.repo, err = c.open(false); err != nil {
			return err
		}
	}
	in, err := oci.OpenContent(c.repo, n)
	if err != nil {
		return err
	}
	defer in.Close() // which was only read
	_, err = io.Copy(w, in)
	return err
}

func (c *contents) close() error {
	if c.repo == nil {
		return nil
	}
	return c.repo.Close()
}

// zeros reads as zeros without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
