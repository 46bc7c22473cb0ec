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
}

// Write writes the dumpfile of a tree in its canonical form: depth first,
// entries and xattrs in byte order of their names, the full line of a leaf at
// the first of its names. It returns the first error of w.
//
// The empty target of a symbolic link, which a tree can have from a tar, is
// written as "-": that is what the reference does, and Read refuses it.
func Write(w io.Writer, root *tree.Inode) error {
	d := writer{
		out:   bufio.NewWriterSize(w, 1<<16),
		links: tree.Links(root),
		first: make(map[*tree.Inode]string),
	}
	if err := d.write(root); err != nil {
		return err
	}
	return d.out.Flush()
}

// write writes the line of n, whose path is d.path, and those of all below it.
func (d *writer) write(n *tree.Inode) error {
	if _, err := d.out.Write(d.entry(n)); err != nil {
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

// entry returns the line of n, which is good until the next call.
func (d *writer) entry(n *tree.Inode) []byte {
	line := append(d.line[:0], d.path...)
	if len(d.path) == 0 {
		line = append(line, '/')
	}
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
	for _, x := range n.Xattrs {
		line = appendXattr(append(line, ' '), x.Name)
		line = appendXattr(append(line, '='), x.Value)
	}
	d.line = append(line, '\n')
	return d.line
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
	var size, rdev uint64
	switch n.Type() {
	case unix.S_IFREG:
		size = n.Size
	case unix.S_IFLNK:
		size = uint64(len(n.Target))
	case unix.S_IFCHR, unix.S_IFBLK:
		rdev = uint64(n.Rdev)
	}
	line = strconv.AppendUint(append(line, ' '), size, 10)
	line = strconv.AppendUint(append(line, ' '), uint64(n.Mode), 8)
	for _, number := range [...]uint64{uint64(nlink), uint64(n.UID), uint64(n.GID), rdev} {
		line = strconv.AppendUint(append(line, ' '), number, 10)
	}
	line = strconv.AppendInt(append(line, ' '), n.Mtime.Sec, 10)
	return strconv.AppendUint(append(line, '.'), uint64(n.Mtime.Nsec), 10)
}

// appendData appends the fields PAYLOAD, CONTENT and DIGEST.
func appendData(line []byte, n *tree.Inode) []byte {
	switch {
	case n.IsSymlink():
		line = appendOptional(append(line, ' '), n.Target)
		return append(line, " - -"...)
	case !n.IsRegular():
		return append(line, " - - -"...)
	case n.Object.IsZero():
		line = appendOptional(append(line, ' '), n.Payload)
		line = appendOptional(append(line, ' '), n.Inline)
		return append(line, " -"...)
	case n.Payload != "":
		line = appendOptional(append(line, ' '), n.Payload)
	default:
		line = append(append(line, ' '), n.Object.ObjectPath()...)
	}
	line = append(line, " - "...)
	return hex.AppendEncode(line, n.Object.Bytes())
}
