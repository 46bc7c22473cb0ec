package scan

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"cfs/lib/tree"
)

// usual is the size of the buffer that the kernel is offered first, in bytes: it
// allocates as much as it is offered.
const usual = 1 << 10

// source is where the extended attributes of an inode are had from.
type source struct {
	list func(data []byte) (int, error)
	get  func(name string, data []byte) (int, error)
}

// descriptor is an open file or directory.
func descriptor(fd int) source {
	return source{
		func(data []byte) (int, error) { return unix.Flistxattr(fd, data) },
		func(name string, data []byte) (int, error) { return unix.Fgetxattr(fd, name, data) },
	}
}

// noFollow is what path leads to, itself if that is a symbolic link.
func noFollow(path string) source {
	return source{
		func(data []byte) (int, error) { return unix.Llistxattr(path, data) },
		func(name string, data []byte) (int, error) { return unix.Lgetxattr(path, name, data) },
	}
}

// xattrs returns the extended attributes that are wanted, in order. A file system
// that has none at all is as good as one without any on this file.
func (r *reader) xattrs(from source) ([]tree.Xattr, error) {
	if r.Xattr == nil {
		return nil, nil
	}
	list, err := r.grow(from.list)
	if err == unix.ENOTSUP {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("extended attributes: %w", err)
	}
	var all []tree.Xattr
	for name := range bytes.SplitSeq(list, []byte{0}) {
		if len(name) > 0 && r.Xattr(string(name)) {
			all = append(all, tree.Xattr{Name: r.string(name)})
		}
	}
	for i := range all {
		x := &all[i]
		value, err := r.grow(func(data []byte) (int, error) { return from.get(x.Name, data) })
		if err != nil {
			return nil, fmt.Errorf("extended attribute %s: %w", x.Name, err)
		}
		x.Value = r.string(value)
	}
	slices.SortFunc(all, func(a, b tree.Xattr) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// grow returns what read fills in, which is good until the next call.
func (r *reader) grow(read func(data []byte) (int, error)) ([]byte, error) {
	n, err := read(r.buffer[:usual])
	if err == unix.ERANGE {
		n, err = read(r.buffer)
	}
	return r.buffer[:max(n, 0)], err
}

// string returns data as a string, the same one each time.
func (r *reader) string(data []byte) string {
	if s, ok := r.strings[string(data)]; ok {
		return s
	}
	s := string(data)
	r.strings[s] = s
	return s
}
