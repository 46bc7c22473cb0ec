// Package dumpfile reads and writes composefs-dump, the text form of a file
// system: a line for each name, with 11 fields and then its xattrs.
//
//	PATH SIZE MODE NLINK UID GID RDEV MTIME PAYLOAD CONTENT DIGEST [KEY=VALUE]...
//
// Fields are separated by one space; "-" alone means that PAYLOAD, CONTENT or
// DIGEST is missing; a backslash begins an escape. The first line is the root;
// a directory's line precedes those of its entries, and a file's line those of
// its hard links, whose mode begins with "@".
//
// Read accepts what both mkcomposefs and composefs-rs accept, with few
// exceptions. Write produces a single spelling of a tree, that of composefs-rs.
package dumpfile

import (
	"bufio"
	"io"

	"golang.org/x/sys/unix"

	"cfs/lib/tree"
)

// parser is the state of Read. The fields are those of the present line.
type parser struct {
	in      *bufio.Reader
	options Options
	limits  limits

	line      int
	fields    [11][]byte
	xattrs    []byte // the text after the fields
	hasXattrs bool   // whether a space came after the fields

	root    *tree.Inode
	dirs    cursor // of paths
	targets cursor // of hard link targets

	scratch    [11][]byte // of decode
	key, value []byte     // of readXattr
	strings    map[string]string
}

// Read reads a dumpfile and returns the root of its tree. It returns an *Error,
// marked by package corrupt, for the first line that is wrong; then there is no
// tree. An empty file with a PAYLOAD keeps it, in Object or Payload, as the
// reference does. A Payload is an object path, save with Options.Compat.
func Read(r io.Reader, o Options) (*tree.Inode, error) {
	p := parser{
		in:      bufio.NewReaderSize(r, maxLine),
		options: o,
		limits:  layoutLimits[o.Layout],
		strings: make(map[string]string),
	}
	for {
		line, err := p.next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = p.readLine(line)
		}
		if err != nil {
			return nil, err
		}
	}
	if p.root == nil {
		p.line = 1
		return nil, p.errorf(fieldPath, emptyInput, "no line at all")
	}
	return p.root, nil
}

// readLine puts what a line says into the tree.
func (p *parser) readLine(line []byte) error {
	if err := p.split(line); err != nil {
		return err
	}
	path, err := p.decodeText(fieldPath)
	if err != nil {
		return err
	}
	if err := p.checkPath(fieldPath, path); err != nil {
		return err
	}
	mode, hardlink, err := p.mode()
	if err != nil {
		return err
	}
	if p.root == nil || len(path) == 1 {
		return p.readRoot(path, mode, hardlink)
	}
	dir, name, err := p.place(path)
	if err != nil {
		return err
	}
	var n *tree.Inode
	if hardlink {
		n, err = p.hardlink(path)
	} else {
		n, err = p.inode(mode)
	}
	if err != nil {
		return err
	}
	dir.Put(string(name), n)
	return nil
}

// readRoot reads the first line, or refuses another line that says to be it.
func (p *parser) readRoot(path []byte, mode uint32, hardlink bool) error {
	if p.root != nil {
		return p.errorf(fieldPath, duplicateRoot, "the root has a line already")
	}
	if len(path) != 1 {
		return p.errorf(fieldPath, noRoot, "the first line is that of %s, not of the root", show(path))
	}
	if hardlink || mode&unix.S_IFMT != unix.S_IFDIR {
		return p.errorf(fieldMode, rootNotDir, "the root is not a directory")
	}
	root, err := p.inode(mode)
	if err != nil {
		return err
	}
	p.root = root
	p.dirs.dirs = []step{{root, 0}}
	p.targets.dirs = []step{{root, 0}}
	return nil
}
