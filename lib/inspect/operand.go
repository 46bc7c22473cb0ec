// Package inspect examines EROFS images. It opens the image that an operand names, a file or an
// image in the repository, dumps and lists it, reads files from it, and compares two images.
//
// Packages erofs and tree read the images; package compare finds their differences.
package inspect

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"cfs/lib/compare"
	"cfs/lib/dumpfile"
	"cfs/lib/erofs"
	"cfs/lib/lookup"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/variant"
)

// Operands opens what operands name. Each is a file or a name in the repository: lookup.IsFile
// and lookup.Find say what names what. Of a container image it is the plain EROFS image in the
// default format.
type Operands struct {
	RepoPath func() (string, error)                   // returns the path of the repository
	OpenRepo func(exclusive bool) (*repo.Repo, error) // opens it
}

// EROFS opens an EROFS image.
func (o Operands) EROFS(name string) (*erofs.Reader, error) {
	file, err := o.isFile(name)
	switch {
	case err != nil:
		return nil, err
	case !file:
		return o.stored(name)
	}
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

func (o Operands) isFile(name string) (bool, error) {
	path, err := o.RepoPath()
	if err != nil {
		path = "" // files need no repository; whoever opens it will meet the error again
	}
	return lookup.IsFile(path, name)
}

func (o Operands) stored(name string) (*erofs.Reader, error) {
	r, err := o.OpenRepo(false)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	found, err := lookup.Find(r, name)
	if err != nil {
		return nil, err
	}
	id, err := found.EROFS(variant.Variant{Format: r.Formats[0]})
	if err != nil {
		return nil, err
	}
	return oci.OpenEROFS(r, id)
}

// Side opens one side of a comparison, which may also be a dumpfile. compat accepts those
// that only mkcomposefs accepts.
func (o Operands) Side(name string, compat bool) (Side, error) {
	file, err := o.isFile(name)
	switch {
	case err != nil:
		return Side{}, err
	case file:
		s, err := readFile(name, compat)
		if err != nil {
			err = fmt.Errorf("%s: %w", name, err)
		}
		return s, err
	}
	image, err := o.stored(name)
	if err != nil {
		return Side{}, err
	}
	return sideOf(image)
}

// readFile reads an image or a dumpfile, also from a pipe.
func readFile(name string, compat bool) (Side, error) {
	f, err := os.Open(name)
	if err != nil {
		return Side{}, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return Side{}, err
	}
	in := bufio.NewReader(f)
	head, _ := in.Peek(32) // with an error that reading will meet again
	if isDumpfile(name, head) {
		root, err := dumpfile.Read(in, dumpfile.Options{Compat: compat})
		return Side{Tree: compare.Tree{Root: root}}, err
	}
	image, err := erofs.Read(in, st.Size())
	if err != nil {
		return Side{}, err
	}
	return sideOf(image)
}

func sideOf(image *erofs.Reader) (Side, error) {
	root, err := image.Tree()
	return Side{compare.Tree{Root: root, Format: strconv.Itoa(int(image.Format()))}, image}, err
}

// isDumpfile tells a dumpfile from an image by its first bytes: a path, or if it is
// neither of them, by its name.
func isDumpfile(name string, head []byte) bool {
	if len(head) > 0 && (head[0] == '/' || head[0] == '\\') {
		return true
	}
	_, err := erofs.ReadFormat(bytes.NewReader(head))
	return err != nil && strings.HasSuffix(name, ".dump")
}
