package inspect

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"cfs/lib/missing"
	"cfs/lib/tree"
)

// maxLinks is how many symbolic links are followed, as by Linux.
const maxLinks = 40

// Find returns the inode at a path in a tree, which may begin with a slash or not. Symbolic
// links among its folders are followed, and with follow the last one too; none of them
// leaves the tree. The error wraps fs.ErrNotExist if there is nothing.
func Find(root *tree.Inode, name string, follow bool) (*tree.Inode, error) {
	n, err := walk(root, []*tree.Inode{root}, name, follow, maxLinks)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", name, err)
	}
	return n, nil
}

// walk goes on from the last of some folders, each in the one before.
func walk(root *tree.Inode, at []*tree.Inode, name string, follow bool, links int) (*tree.Inode, error) {
	if strings.HasPrefix(name, "/") {
		at = []*tree.Inode{root}
	}
	parts := strings.FieldsFunc(name, func(c rune) bool { return c == '/' })
	for i, part := range parts {
		dir := at[len(at)-1]
		if !dir.IsDir() {
			return nil, unix.ENOTDIR
		}
		switch part {
		case ".":
			continue
		case "..":
			at = at[:max(1, len(at)-1)]
			continue
		}
		n := dir.Lookup(part)
		if n == nil {
			return nil, missing.Errorf("no such file in the image")
		}
		rest := path.Join(parts[i+1:]...)
		if n.IsSymlink() && (rest != "" || follow || strings.HasSuffix(name, "/")) {
			if links == 0 {
				return nil, unix.ELOOP
			}
			return walk(root, at, n.Target+"/"+strings.Join(parts[i+1:], "/"), follow, links-1)
		}
		at = append(at, n)
	}
	return at[len(at)-1], nil
}

// errNotRegular is why a file has no content.
var errNotRegular = errors.New("is not a regular file")
