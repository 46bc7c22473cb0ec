package dumpfile

import (
	"bytes"

	"cfs/lib/tree"
)

const (
	maxPath = 4096 // bytes of a whole path
	maxName = 255  // bytes of one name: NAME_MAX
)

// checkPath refuses what is not a canonical absolute path: names of 1 to
// maxName bytes, but for "." and "..", each after one slash; or "/" alone.
func (p *parser) checkPath(f field, path []byte) error {
	if len(path) > maxPath {
		return p.errorf(f, pathTooLong, "%d bytes, more than %d", len(path), maxPath)
	}
	if len(path) == 0 || path[0] != '/' {
		return p.errorf(f, badPath, "%s is no absolute path", show(path))
	}
	if len(path) == 1 {
		return nil
	}
	for rest, more := path[1:], true; more; {
		var name []byte
		name, rest, more = bytes.Cut(rest, []byte{'/'})
		switch {
		case len(name) == 0:
			return p.errorf(f, badPath, "%s has an empty name in it", show(path))
		case string(name) == "." || string(name) == "..":
			return p.errorf(f, badPath, "%s has %q in it", show(path), name)
		case len(name) > maxName:
			return p.errorf(f, nameTooLong, "a name of %d bytes, more than %d", len(name), maxName)
		}
	}
	return nil
}

// place returns the directory and the name that a path other than "/" says.
// The directory has to be there, and the name not.
func (p *parser) place(path []byte) (*tree.Inode, []byte, error) {
	i := bytes.LastIndexByte(path, '/')
	dir, name := p.dirs.find(path[:i]), path[i+1:]
	switch {
	case dir == nil:
		return nil, nil, p.errorf(fieldPath, noParent, "%s has no line of its directory before it", show(path))
	case !dir.IsDir():
		return nil, nil, p.errorf(fieldPath, parentNotDir, "%s is in something that is not a directory", show(path))
	case dir.Lookup(string(name)) != nil:
		return nil, nil, p.errorf(fieldPath, duplicatePath, "%s has a line already", show(path))
	}
	return dir, name, nil
}

// cursor finds directories by their paths. It remembers the way to the last
// one: most often the next is the same, below it or near it. That is right as
// long as directories are only added.
type cursor struct {
	path []byte // of the last directory, "" for the root
	dirs []step // from the root to it
}

// step is a directory on the way.
type step struct {
	dir *tree.Inode
	end int // length of its path
}

// find returns the directory, or the leaf, of a canonical path, which is ""
// for the root. It returns nil if there is none; a leaf in the middle of the
// path is returned as if it stood at the end.
func (c *cursor) find(path []byte) *tree.Inode {
	common := commonPrefix(c.path, path)
	for {
		end := c.dirs[len(c.dirs)-1].end
		if end <= common && (end == len(path) || path[end] == '/') {
			break
		}
		c.dirs = c.dirs[:len(c.dirs)-1]
	}
	last := c.dirs[len(c.dirs)-1]
	for last.end < len(path) {
		name, _, _ := bytes.Cut(path[last.end+1:], []byte{'/'})
		n := last.dir.Lookup(string(name))
		if n == nil || !n.IsDir() {
			c.path = append(c.path[:0], path[:last.end]...)
			return n
		}
		last = step{n, last.end + 1 + len(name)}
		c.dirs = append(c.dirs, last)
	}
	c.path = append(c.path[:0], path...)
	return last.dir
}

func commonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// hardlink returns the inode that a hard link line at path names again.
func (p *parser) hardlink(path []byte) (*tree.Inode, error) {
	if !p.isSet(fieldPayload) || len(p.fields[fieldPayload]) == 0 {
		return nil, p.errorf(fieldPayload, hardlinkNoTarget, "no path to link to")
	}
	target, err := p.decodeText(fieldPayload)
	if err != nil {
		return nil, err
	}
	if err := p.checkPath(fieldPayload, target); err != nil {
		return nil, err
	}
	if bytes.Equal(path, target) {
		return nil, p.errorf(fieldPayload, hardlinkSelf, "%s links to itself", show(path))
	}
	i := bytes.LastIndexByte(target, '/')
	dir := p.targets.find(target[:i])
	if dir == nil || !dir.IsDir() {
		return nil, p.errorf(fieldPayload, hardlinkMissing, "%s has no line before this one", show(target))
	}
	n := dir.Lookup(string(target[i+1:]))
	switch {
	case len(target) == 1 || n != nil && n.IsDir():
		return nil, p.errorf(fieldPayload, hardlinkDir, "%s is a directory", show(target))
	case n == nil:
		return nil, p.errorf(fieldPayload, hardlinkMissing, "%s has no line before this one", show(target))
	case n.IsWhiteout():
		return nil, p.errorf(fieldPayload, hardlinkWhiteout, "%s is a whiteout", show(target))
	}
	return n, nil
}
