package scan

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"cfs/lib/tree"
	"cfs/lib/verity"
)

// ReadFile returns the content of a regular file of a tree that Scan has read from the
// directory at name: path is where it is in there, and n is what it was. No symbolic
// link on the way is followed. The error wraps ErrChanged if it is not what it was.
func ReadFile(name, path string, n *tree.Inode, a verity.Algorithm) ([]byte, error) {
	if n.Object.IsZero() {
		return []byte(n.Inline), nil
	}
	data, err := readBelow(name, path, int64(n.Size))
	switch {
	case err == nil && a.Sum(data) != n.Object, errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP):
		err = ErrChanged
	}
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: strings.TrimRight(name, "/") + path, Err: err}
	}
	return data, nil
}

// readBelow reads the first size bytes of a file, and one more if there is one.
func readBelow(name, path string, size int64) ([]byte, error) {
	fd, err := openat(unix.AT_FDCWD, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC)
	if err != nil {
		return nil, err
	}
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i, part := range parts {
		flags := unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
		if i == len(parts)-1 {
			flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
		}
		next, err := openat(fd, part, flags)
		unix.Close(fd)
		if err != nil {
			return nil, err
		}
		fd = next
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, size+1))
}
