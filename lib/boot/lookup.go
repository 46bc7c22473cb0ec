package boot

import (
	"errors"
	"fmt"
	"strings"

	"cfs/lib/tree"
)

// Paths in here are followed by name alone: a boot loader knows no symbolic links.

// dirAt returns the directory at a path, nil if there is none. That something on
// the way is not a directory is an error.
func dirAt(root *tree.Inode, path string) (*tree.Inode, error) {
	dir := root
	for _, name := range components(path) {
		dir = dir.Lookup(name)
		if dir == nil {
			return nil, nil
		}
		if !dir.IsDir() {
			return nil, fmt.Errorf("%s: %q is not a directory", path, name)
		}
	}
	return dir, nil
}

// checkFile returns why there is not a regular file at a path.
func checkFile(root *tree.Inode, path string) error {
	_, err := FileAt(root, path)
	return err
}

// FileAt returns the regular file at a path, which may have no symbolic link and no ".." in
// it. The error says which part of the path is not there, or is something else.
func FileAt(root *tree.Inode, path string) (*tree.Inode, error) {
	names := components(path)
	if len(names) == 0 || strings.HasPrefix(path, "./") || path == "." {
		return nil, errors.New("is not a file path")
	}
	n := root
	for i, name := range names {
		switch n = n.Lookup(name); {
		case name == "..":
			return nil, errors.New("is not a file path")
		case n == nil:
			return nil, fmt.Errorf("%q does not exist", name)
		case i < len(names)-1 && !n.IsDir():
			return nil, fmt.Errorf("%q is not a directory", name)
		}
	}
	if !n.IsRegular() {
		return nil, fmt.Errorf("%q is not a regular file", names[len(names)-1])
	}
	return n, nil
}

// components returns the names in a path.
func components(path string) (names []string) {
	for name := range strings.SplitSeq(path, "/") {
		if name != "" && name != "." {
			names = append(names, name)
		}
	}
	return names
}

// regular returns the regular file of a name, nil if there is none.
func regular(dir *tree.Inode, name string) *tree.Inode {
	if n := dir.Lookup(name); n != nil && n.IsRegular() {
		return n
	}
	return nil
}
