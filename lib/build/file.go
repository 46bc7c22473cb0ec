package build

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/google/renameio/v2"

	"cfs/lib/verity"
)

// WriteFile writes the image to a file that appears whole under its name, or not at all,
// and returns the digest of the image. With ifChanged it leaves a file alone that holds the
// image already, and its folder too. What is there and is not a regular file, such as a device or
// a fifo, is written to and stays what it is.
func (x *Recipe) WriteFile(name string, ifChanged bool) (verity.ID, error) {
	hash := x.Algorithm.New()
	err := writeFile(name, ifChanged, func(w io.Writer) error {
		hash.Reset()
		return x.Write(io.MultiWriter(w, hash))
	})
	return hash.ID(), err
}

// writeFile calls write once more for each comparison.
func writeFile(name string, ifChanged bool, write func(io.Writer) error) error {
	st, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case !st.Mode().IsRegular():
		return writeInto(name, write)
	case ifChanged:
		if equal, err := holds(name, write); err != nil || equal {
			return err
		}
	}
	f, err := renameio.NewPendingFile(name, renameio.WithPermissions(0o644), renameio.IgnoreUmask(), renameio.WithExistingPermissions())
	if err != nil {
		return err
	}
	if err := buffered(f, write); err != nil {
		return errors.Join(err, f.Cleanup())
	}
	return f.CloseAtomicallyReplace()
}

// writeInto writes to what has a name already.
func writeInto(name string, write func(io.Writer) error) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(buffered(f, write), f.Close())
}

func buffered(f io.Writer, write func(io.Writer) error) error {
	w := bufio.NewWriterSize(f, 1<<20)
	if err := write(w); err != nil {
		return err
	}
	return w.Flush()
}

// holds reports whether a file has the content that write writes.
func holds(name string, write func(io.Writer) error) (bool, error) {
	f, err := os.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	m := matcher{in: f}
	switch err := buffered(&m, write); {
	case errors.Is(err, errNoMatch):
		return false, nil
	case err != nil:
		return false, err
	}
	n, err := f.Read(make([]byte, 1))
	if err == io.EOF {
		err = nil
	}
	return n == 0, err
}

// errNoMatch ends the comparison of a matcher.
var errNoMatch = errors.New("no match")

// matcher is a writer that compares what is written to it with what in contains.
type matcher struct {
	in    io.Reader
	chunk []byte
}

func (m *matcher) Write(p []byte) (int, error) {
	if len(m.chunk) < len(p) {
		m.chunk = make([]byte, len(p))
	}
	_, err := io.ReadFull(m.in, m.chunk[:len(p)])
	switch {
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		return 0, errNoMatch
	case err != nil:
		return 0, err
	case !bytes.Equal(m.chunk[:len(p)], p):
		return 0, errNoMatch
	}
	return len(p), nil
}
