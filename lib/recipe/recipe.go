// Package recipe reads a tar that was taken apart: tar-split has its headers, and folders have the content of
// its files, as container engines store layers. It opens what a recipe names, and proves nothing: whoever puts the tar
// together compares its digest.
//
// Files are found by name below the folders. No link is followed, and only regular files are opened.
package recipe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc64"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/fd"
	"cfs/lib/missing"
	"cfs/lib/tarsplit"
)

// Reader reads a recipe, piece by piece.
type Reader struct {
	lines *tarsplit.Reader
	dirs  []*fd.Root
}

// Piece is the next part of the tar: literal bytes, or the content of a file.
type Piece struct {
	Bytes []byte // literal, nil for a file
	File  *File
}

// File is a regular file that is open. Close must be called.
type File struct {
	File *os.File
	Size int64 // in bytes, as the recipe and the file system say

	sum hash.Hash64
	crc []byte // that the recipe has, nil if it has none
}

// NewReader returns a Reader of tar-split that is not compressed any more. The files are looked for in dirs, in their
// order. Memory is bounded by the longest line, 4 MiB.
func NewReader(in io.Reader, dirs []*fd.Root) *Reader { return &Reader{tarsplit.NewReader(in), dirs} }

// Next returns the next piece, io.EOF behind the last one. The error is marked as corrupt if the recipe or a file is
// not what the other says, and wraps fs.ErrNotExist if no folder has a file.
func (r *Reader) Next() (Piece, error) {
	for {
		i, err := r.lines.Next()
		switch {
		case err != nil:
			return Piece{}, err
		case i.Bytes != nil:
			return Piece{Bytes: i.Bytes}, nil
		case i.Size > 0:
			f, err := r.open(i)
			return Piece{File: f}, err
		}
	}
}

// open opens the file of a member in the first folder that has its content.
func (r *Reader) open(i tarsplit.Item) (*File, error) {
	name, err := below(i.Name)
	if err != nil {
		return nil, err
	}
	for _, dir := range r.dirs {
		f, err := dir.OpenRegular(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, unusable(err, i, dir)
		}
		if isStub(f) {
			f.Close()
			continue
		}
		return sized(f, i)
	}
	return nil, missing.Errorf("file %.300q of the layer is in none of its %d folders", i.Name, len(r.dirs))
}

// unusable is the error for a file that is there, and no regular file that can be opened.
func unusable(err error, i tarsplit.Item, dir *fd.Root) error {
	_, link := errors.AsType[*fd.Symlink](err)
	if link || errors.Is(err, fd.ErrNotRegular) || errors.Is(err, unix.ENOTDIR) {
		return corrupt.Errorf("file %.300q of the layer: in %s there is another thing in its place: not a regular file, or behind a link", i.Name, dir.Name())
	}
	return fmt.Errorf("file %.300q of the layer: %w", i.Name, err)
}

// sized returns the file of a member, which must have its size.
func sized(f *os.File, i tarsplit.Item) (*File, error) {
	st, err := f.Stat()
	if err == nil && st.Size() != i.Size {
		size := st.Size()
		err = corrupt.Errorf("file %s has %d bytes, and the layer has %d of it", f.Name(), size, i.Size)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	file := &File{File: f, Size: i.Size, sum: crc64.New(table)}
	if len(i.CRC) == crc64.Size {
		file.crc = bytes.Clone(i.CRC)
	}
	return file, nil
}

// table is that of the checksums in tar-split.
var table = crc64.MakeTable(crc64.ISO)

// below returns the path of a member below the folder of its layer.
func below(name string) (string, error) {
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", corrupt.Errorf("file %.300q of the layer is outside of its folder", name)
		}
	}
	clean := strings.TrimPrefix(path.Clean("/"+name), "/")
	if clean == "" || strings.ContainsRune(clean, 0) {
		return "", corrupt.Errorf("%.300q is not the name of a file", name)
	}
	return clean, nil
}

// isStub reports whether a file has metadata alone, and its content is in a folder below.
func isStub(f *os.File) bool {
	for _, name := range []string{"trusted.overlay.metacopy", "user.overlay.metacopy"} {
		err := fd.Use(f, func(n int) error {
			_, err := unix.Fgetxattr(n, name, nil)
			return err
		})
		if err == nil {
			return true
		}
	}
	return false
}

// Sum is where the content goes, besides to its use, so that Check can compare it.
func (f *File) Sum() io.Writer { return f.sum }

// Check compares what has gone to Sum with the checksum of the recipe. The error is marked as corrupt. That they are the
// same proves nothing.
func (f *File) Check() error {
	if got := f.sum.Sum64(); f.crc != nil && got != binary.BigEndian.Uint64(f.crc) {
		return corrupt.Errorf("file %s is not the one that the layer had: it was changed after the image was stored", f.File.Name())
	}
	return nil
}
