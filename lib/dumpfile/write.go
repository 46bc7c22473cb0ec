package dumpfile

import (
	"bufio"
	"encoding/hex"
	"io"
	"strconv"

	"golang.org/x/sys/unix"

	"cfs/lib/tree"
)

// writer is the state of Write.
type writer struct {
	out   *bufio.Writer
	line  []byte // scratch
	path  []byte // of the present entry, escaped; empty for the root
	links map[*tree.Inode]uint32
	first map[*tree.Inode]string // the first path of an inode of links, escaped
	entry func(*writer, *tree.Inode) []byte
}

// Write writes the dumpfile of a tree in its canonical form: depth first,
// entries and xattrs in byte order of their names, the full line of a leaf at
// the first of its names. It returns the first error of w.
//
// The empty target of a symbolic link, which a tree can have from a tar, is
// written as "-": that is what the reference does, and Read refuses it.
func Write(w io.Writer, root *tree.Inode) error {
	return write(w, root, (*writer).canonical)
}

func write(w io.Writer, root *tree.Inode, entry func(*writer, *tree.Inode) []byte) error {
	d := writer{
		out:   bufio.NewWriterSize(w, 1<<16),
		links: tree.Links(root),
		first: make(map[*tree.Inode]string),
		entry: entry,
	}
	if err := d.write(root); err != nil {
		return err
	}
	return d.out.Flush()
}

// write writes the line of n, whose path is d.path, and those of all below it.
func (d *writer) write(n *tree.Inode) error {
	if _, err := d.out.Write(d.entry(d, n)); err != nil {
		return err
	}
	if !n.IsDir() {
		return nil
	}
	end := len(d.path)
	for _, e := range n.Entries() {
		d.path = appendEscaped(append(d.path[:end], '/'), e.Name)
		if err := d.write(e.Inode); err != nil {
			return err
		}
	}
	d.path = d.path[:end]
	return nil
}

// canonical returns the line of n, which is good until the next call.
func (d *writer) canonical(n *tree.Inode) []byte {
	line := d.begin()
	nlink := uint32(1)
	if n.IsDir() {
		nlink = 2 + n.Subdirs()
	} else if count, ok := d.links[n]; ok {
		if first, again := d.first[n]; again {
			d.line = appendHardlink(line, first)
			return d.line
		}
		d.first[n] = string(d.path)
		nlink = count
	}
	line = appendStat(line, n, nlink)
	line = appendData(line, n)
	d.line = appendXattrs(line, n.Xattrs)
	return d.line
}

// begin returns a line that has the path of the present entry.
func (d *writer) begin() []byte {
	line := append(d.line[:0], d.path...)
	if len(d.path) == 0 {
		line = append(line, '/')
	}
	return line
}

// appendXattrs appends the xattrs and what ends the line.
func appendXattrs(line []byte, list []tree.Xattr) []byte {
	for _, x := range list {
		line = appendXattr(append(line, ' '), x.Name)
		line = appendXattr(append(line, '='), x.Value)
	}
	return append(line, '\n')
}

// appendHardlink appends what follows PATH in the line of a further name. The
// mode is the same for all types, as the reference has it.
func appendHardlink(line []byte, target string) []byte {
	line = append(line, " 0 @120000 - - - - 0.0 "...)
	line = append(line, target...)
	return append(line, " - -\n"...)
}

// appendStat appends the fields SIZE to MTIME.
func appendStat(line []byte, n *tree.Inode, nlink uint32) []byte {
	var size uint64
	switch n.Type() {
	case unix.S_IFREG:
		size = n.Size
	case unix.S_IFLNK:
		size = uint64(len(n.Target))
	}
	line = strconv.AppendUint(append(line, ' '), size, 10)
	return appendNumbers(append(line, ' '), n, nlink)
}

// appendNumbers appends the fields MODE to MTIME.
func appendNumbers(line []byte, n *tree.Inode, nlink uint32) []byte {
	var rdev uint64
	if t := n.Type(); t == unix.S_IFCHR || t == unix.S_IFBLK {
		rdev = uint64(n.Rdev)
	}
	line = strconv.AppendUint(line, uint64(n.Mode), 8)
	for _, number := range [...]uint64{uint64(nlink), uint64(n.UID), uint64(n.GID), rdev} {
		line = strconv.AppendUint(append(line, ' '), number, 10)
	}
	line = strconv.AppendInt(append(line, ' '), n.Mtime.Sec, 10)
	return strconv.AppendUint(append(line, '.'), uint64(n.Mtime.Nsec), 10)
}

// appendData appends the fields PAYLOAD, CONTENT and DIGEST.
func appendData(line []byte, n *tree.Inode) []byte {
	return appendContent(appendOptional(append(line, ' '), payload(n)), n)
}

// payload returns what PAYLOAD says, "" for nothing.
func payload(n *tree.Inode) string {
	switch {
	case n.IsSymlink():
		return n.Target
	case !n.IsRegular():
		return ""
	case n.Payload == "" && !n.Object.IsZero():
		return n.Object.ObjectPath()
	}
	return n.Payload
}

// appendContent appends the fields CONTENT and DIGEST.
func appendContent(line []byte, n *tree.Inode) []byte {
	switch {
	case !n.IsRegular():
		return append(line, " - -"...)
	case n.Object.IsZero():
		return append(appendOptional(append(line, ' '), n.Inline), " -"...)
	}
	return hex.AppendEncode(append(line, " - "...), n.Object.Bytes())
}
