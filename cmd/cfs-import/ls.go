package main

import (
	"bufio"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"cfs/lib/inspect"
	"cfs/lib/layer"
	"cfs/lib/oci"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/tarball"
	"cfs/lib/verity"
)

// list writes a line for each member, as tar -tv does.
func (o *options) list() error {
	return o.withStream(func(r *repo.Repo, s named) error {
		var err error
		if s.id.IsZero() {
			err = oci.ReadAssembly(r, s.Reader, o.listMembers)
		} else {
			err = oci.ReadLayer(r, s.id, o.listMembers)
		}
		if err != nil {
			return fmt.Errorf("stream %s: %w", s.name(), err)
		}
		return nil
	})
}

func (o *options) listMembers(l *layer.Reader) error {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for {
		m, object, _, err := l.Next()
		if err == io.EOF {
			return out.Flush()
		}
		if err != nil {
			return err
		}
		if !o.JSON {
			fmt.Fprintln(out, line(m, object))
		} else if err := writeMember(out, m, object); err != nil {
			return err
		}
	}
}

// writeMember describes a member by a JSON object.
func writeMember(out io.Writer, m *tarball.Member, object verity.ID) error {
	f := record.File{Version: record.JSONVersion, Path: record.Text(m.Name), Mode: mode(m), UID: uint32(m.UID), GID: uint32(m.GID), Size: uint64(m.Size), Mtime: m.Mtime.RFC3339()}
	switch {
	case m.Type == '1':
		f.Link = record.Text(m.Link)
	case m.Type == '2':
		f.Target = record.Text(m.Link)
	case !object.IsZero():
		f.Object = object.String()
	}
	return record.WriteJSON(out, f)
}

// mode writes the mode of a member as ls does. A hard link is a regular file.
func mode(m *tarball.Member) string {
	kinds := map[byte]uint32{'5': unix.S_IFDIR, '2': unix.S_IFLNK, '3': unix.S_IFCHR, '4': unix.S_IFBLK, '6': unix.S_IFIFO}
	return inspect.Mode(kinds[m.Type] | uint32(m.Mode)&0o7777)
}

// line describes a member: mode, owner, size, time, name, and what it leads to.
func line(m *tarball.Member, object verity.ID) string {
	s := fmt.Sprintf("%s %d/%d %d %s %q", mode(m), m.UID, m.GID, m.Size, m.Mtime.RFC3339(), m.Name)
	switch {
	case m.Type == '1':
		s += fmt.Sprintf(" link to %q", m.Link)
	case m.Type == '2':
		s += fmt.Sprintf(" -> %q", m.Link)
	case !object.IsZero():
		s += " " + object.String()
	}
	return s
}
