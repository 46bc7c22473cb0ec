package inspect

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"path"

	"golang.org/x/sys/unix"

	"cfs/lib/erofs"
	"cfs/lib/record"
	"cfs/lib/tree"
)

// List says how the paths in an image are listed.
type List struct {
	Path string              // list what is at this path and below it; "" is the root
	Long bool                // with modes, owners, sizes, times, link targets and objects
	JSON bool                // the same as JSON objects
	Name func(string) string // how names are written; nil writes them as they are
}

// Write writes the paths in an image, a line each.
func (l List) Write(w io.Writer, image *erofs.Reader) error {
	root, err := image.Tree()
	if err != nil {
		return err
	}
	top, err := Find(root, l.Path, false)
	if err != nil {
		return err
	}
	if l.Name == nil {
		l.Name = func(s string) string { return s }
	}
	out := bufio.NewWriter(w)
	for name, n := range tree.Walk(top) {
		name = path.Join("/", l.Path, name)
		if l.JSON {
			if err := writeJSON(out, name, n); err != nil {
				return err
			}
		} else if l.Long {
			fmt.Fprintln(out, l.line(name, n)) // Flush returns its error
		} else {
			fmt.Fprintln(out, l.Name(name))
		}
	}
	return out.Flush()
}

// line describes an inode as cfs-import ls does: mode, owner, size, time, name, and what it
// leads to.
func (l List) line(name string, n *tree.Inode) string {
	s := fmt.Sprintf("%s %d/%d %d %s %s", Mode(n), n.UID, n.GID, n.Size, n.Mtime.RFC3339(), l.Name(name))
	switch {
	case n.IsSymlink():
		s += " -> " + l.Name(n.Target)
	case !n.Object.IsZero():
		s += " " + n.Object.String()
	}
	return s
}

// writeJSON describes an inode by a JSON object.
func writeJSON(out io.Writer, name string, n *tree.Inode) error {
	f := record.File{Version: record.JSONVersion, Path: record.Text(name), Mode: Mode(n).String(), UID: n.UID, GID: n.GID, Size: n.Size, Mtime: n.Mtime.RFC3339()}
	switch {
	case n.IsSymlink():
		f.Target = record.Text(n.Target)
	case !n.Object.IsZero():
		f.Object = n.Object.String()
	}
	return record.WriteJSON(out, f)
}

// Mode returns the mode of an inode as package fs has it.
func Mode(n *tree.Inode) fs.FileMode {
	mode := n.Mode
	m := fs.FileMode(mode & 0o777)
	for bit, is := range map[uint32]fs.FileMode{unix.S_ISUID: fs.ModeSetuid, unix.S_ISGID: fs.ModeSetgid, unix.S_ISVTX: fs.ModeSticky} {
		if mode&bit != 0 {
			m |= is
		}
	}
	return m | map[uint32]fs.FileMode{
		unix.S_IFDIR: fs.ModeDir, unix.S_IFLNK: fs.ModeSymlink, unix.S_IFIFO: fs.ModeNamedPipe, unix.S_IFSOCK: fs.ModeSocket,
		unix.S_IFBLK: fs.ModeDevice, unix.S_IFCHR: fs.ModeDevice | fs.ModeCharDevice,
	}[mode&unix.S_IFMT]
}
