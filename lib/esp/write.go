package esp

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"cfs/lib/fd"
)

// temporary begins the names of files that are being written.
const temporary = ".cfs-boot-"

// KernelFolder begins the names of the folders in which we put kernels.
const KernelFolder = "composefs-"

// File is a file to be written.
type File struct {
	Path string // below the folder, with slashes, and without one at its start
	Size int64
	Open func() (io.ReadCloser, error)
}

// Text returns a file with a content that is in memory.
func Text(name string, text []byte) File {
	return File{name, int64(len(text)), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }}
}

// Has reports whether the folder has the file, with the same content. That something else
// than a regular file has its name is an error.
func (f *Folder) Has(file File) (same bool, err error) {
	if f.root == nil {
		return false, nil
	}
	old, err := f.root.OpenRegular(file.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, f.errorf(err)
	}
	defer old.Close()
	if st, err := old.Stat(); err != nil || st.Size() != file.Size {
		return false, f.errorf(err)
	}
	in, err := file.Open()
	if err != nil {
		return false, err
	}
	defer in.Close()
	same, err = equal(old, in)
	return same, f.errorf(err)
}

// equal compares two contents.
func equal(a, b io.Reader) (bool, error) {
	var left, right [64 << 10]byte
	for {
		n, errA := io.ReadFull(a, left[:])
		m, errB := io.ReadFull(b, right[:])
		if !bytes.Equal(left[:n], right[:m]) {
			return false, errors.Join(unexpected(errA), unexpected(errB))
		}
		if errA != nil || errB != nil {
			return true, errors.Join(unexpected(errA), unexpected(errB))
		}
	}
}

func unexpected(err error) error {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// folderClusters is how many clusters are counted for a file besides its content: for its
// name, and for a folder that it may be the first in.
const folderClusters = 2

// CheckSpace returns an error that wraps ENOSPC if the file system has no room for files, once
// what killed writers have left and some folders of kernels are removed.
func (f *Folder) CheckSpace(files []File, removed []string) error {
	var st unix.Statfs_t
	dir := f.Path
	for f.root == nil {
		if _, err := os.Stat(dir); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	if err := unix.Statfs(dir, &st); err != nil {
		return f.errorf(err)
	}
	block := max(int64(st.Bsize), 512)
	round := func(size int64) int64 { return (size + block - 1) / block * block }
	var need int64
	for _, file := range files {
		need += round(file.Size) + folderClusters*block
	}
	free := int64(min(st.Bavail, 1<<40)) * block
	gone, err := f.leftovers()
	for _, dir := range removed {
		list, listErr := f.files(dir, "")
		gone, err = append(gone, list...), errors.Join(err, listErr)
	}
	for _, file := range gone {
		free += round(file.Size)
	}
	if err == nil && need > free {
		err = f.errorf(fmt.Errorf("%w: %d bytes are needed, %d are free", unix.ENOSPC, need, free))
	}
	return err
}

// Write writes a file in place of what has its name: whole or not at all. It is durable when
// Write returns, with the folders made for it after Sync.
func (f *Folder) Write(file File) error {
	if err := CheckPath(file.Path); err != nil {
		return err
	}
	dir := path.Dir(file.Path)
	if err := f.mkdir(dir); err != nil {
		return f.errorf(err)
	}
	between := path.Join(dir, temporary+strings.ToLower(rand.Text()[:12]))
	err := f.fill(between, file)
	if err == nil {
		err = f.root.Rename(between, file.Path)
	}
	if err != nil {
		if left := f.root.Remove(between); !errors.Is(left, fs.ErrNotExist) {
			err = errors.Join(err, left)
		}
		return f.errorf(err)
	}
	return f.errorf(f.root.SyncDir(dir))
}

func (f *Folder) fill(name string, file File) error {
	in, err := file.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := f.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	n, err := io.Copy(out, in)
	if err == nil && n != file.Size {
		err = fmt.Errorf("%s: %d bytes, want %d", file.Path, n, file.Size)
	}
	return errors.Join(err, out.Chmod(fileMode), out.Sync(), out.Close())
}

// Sync makes durable all that was written, and the names of new folders.
func (f *Folder) Sync() error {
	d, err := f.root.OpenDir(".")
	if err != nil {
		return f.errorf(err)
	}
	err = fd.Use(d, func(n int) error { return unix.Syncfs(n) })
	return f.errorf(errors.Join(err, d.Close()))
}

// Remove removes a file durably. That there is none is fine.
func (f *Folder) Remove(name string) error {
	err := f.root.Remove(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = f.root.SyncDir(path.Dir(name))
	}
	return f.errorf(err)
}

// RemoveKernels removes one of the folders of kernels with all that is in it.
func (f *Folder) RemoveKernels(name string) error {
	if !strings.HasPrefix(name, KernelFolder) || strings.Contains(name, "/") {
		return fmt.Errorf("%s is not a kernel directory", name)
	}
	if err := f.root.RemoveAll(name); err != nil {
		return f.errorf(err)
	}
	return f.errorf(f.root.SyncDir("."))
}

// clean removes the temporary files of killed writers.
func (f *Folder) clean() error {
	list, err := f.leftovers()
	for _, file := range list {
		err = errors.Join(err, f.root.Remove(file.Path))
	}
	return err
}

// leftovers returns the temporary files of killed writers, and of those at work, if there are
// any now.
func (f *Folder) leftovers() (found []File, err error) {
	dirs := []string{"loader/entries", "EFI/Linux"}
	top, err := f.List(".")
	for _, e := range top {
		if e.IsDir() && strings.HasPrefix(e.Name(), KernelFolder) {
			dirs = append(dirs, e.Name())
		}
	}
	for _, dir := range dirs {
		list, listErr := f.files(dir, temporary)
		found, err = append(found, list...), errors.Join(err, listErr)
	}
	return found, err
}

// files returns the regular files of a folder whose names begin with a prefix, to be removed:
// without their content.
func (f *Folder) files(dir, prefix string) (found []File, err error) {
	list, err := f.List(dir)
	for _, e := range list {
		if !e.Type().IsRegular() || !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		name := dir + "/" + e.Name()
		st, statErr := f.root.Lstat(name)
		if errors.Is(statErr, fs.ErrNotExist) { // it has been renamed meanwhile
			continue
		}
		found, err = append(found, File{Path: name, Size: st.Size}), errors.Join(err, f.errorf(statErr))
	}
	return found, err
}
