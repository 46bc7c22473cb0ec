package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"cfs/lib/compare"
	"cfs/lib/dumpfile"
	"cfs/lib/erofs"
)

// operand is one of the two that diff compares.
type operand struct {
	compare.Tree
	image *erofs.Reader // nil for a dumpfile
}

func readOperand(c *cli.Context, name string) (operand, error) {
	file, err := isFile(c, name)
	if err != nil {
		return operand{}, err
	}
	if file {
		o, err := readFileOperand(c, name)
		if err != nil {
			return o, fmt.Errorf("%s: %w", name, err)
		}
		return o, nil
	}
	image, err := openStored(c, name)
	if err != nil {
		return operand{}, err
	}
	return imageOperand(image)
}

// readFileOperand reads an image or a dumpfile, also from a pipe.
func readFileOperand(c *cli.Context, name string) (operand, error) {
	f, err := os.Open(name)
	if err != nil {
		return operand{}, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return operand{}, err
	}
	in := bufio.NewReader(f)
	head, _ := in.Peek(32) // with an error that reading will meet again
	if isDumpfile(name, head) {
		root, err := dumpfile.Read(in, dumpfile.Options{Compat: c.Bool("compat")})
		return operand{Tree: compare.Tree{Root: root}}, err
	}
	image, err := erofs.Read(in, st.Size())
	if err != nil {
		return operand{}, err
	}
	return imageOperand(image)
}

func imageOperand(image *erofs.Reader) (operand, error) {
	root, err := image.Tree()
	return operand{compare.Tree{Root: root, Format: strconv.Itoa(int(image.Format()))}, image}, err
}

// isDumpfile tells a dumpfile from an image by its first bytes: a path, or if it is
// none of both, by its name.
func isDumpfile(name string, head []byte) bool {
	if len(head) > 0 && (head[0] == '/' || head[0] == '\\') {
		return true
	}
	_, err := erofs.ReadFormat(bytes.NewReader(head))
	return err != nil && strings.HasSuffix(name, ".dump")
}
