package inspect

import (
	"bufio"
	"fmt"
	"io"
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
	s := fmt.Sprintf("%s %d/%d %d %s %s", Mode(n.Mode), n.UID, n.GID, n.Size, n.Mtime.RFC3339(), l.Name(name))
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
	f := record.File{Version: record.JSONVersion, Path: record.Text(name), Mode: Mode(n.Mode), UID: n.UID, GID: n.GID, Size: n.Size, Mtime: n.Mtime.RFC3339()}
	switch {
	case n.IsSymlink():
		f.Target = record.Text(n.Target)
	case !n.Object.IsZero():
		f.Object = n.Object.String()
	}
	return record.WriteJSON(out, f)
}

// kinds are the letters of ls for the types of files.
var kinds = map[uint32]byte{
	unix.S_IFDIR: 'd', unix.S_IFLNK: 'l', unix.S_IFIFO: 'p', unix.S_IFSOCK: 's', unix.S_IFBLK: 'b', unix.S_IFCHR: 'c',
}

// Mode writes a mode, as st_mode has it, the way that ls -l does: "-rwsr-xr-x".
func Mode(mode uint32) string {
	text := []byte("-rwxrwxrwx")
	if kind, ok := kinds[mode&unix.S_IFMT]; ok {
		text[0] = kind
	}
	for i := range 9 {
		if mode&(1<<(8-i)) == 0 {
			text[1+i] = '-'
		}
	}
	for _, special := range []struct {
		bit    uint32
		at     int
		letter byte // in capitals without the x that it stands for
	}{{unix.S_ISUID, 3, 's'}, {unix.S_ISGID, 6, 's'}, {unix.S_ISVTX, 9, 't'}} {
		if mode&special.bit == 0 {
			continue
		}
		if text[special.at] == '-' {
			special.letter -= 'a' - 'A'
		}
		text[special.at] = special.letter
	}
	return string(text)
}
