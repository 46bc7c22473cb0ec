package main

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

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
		if err := oci.ReadLayer(r, s.id, o.listMembers); err != nil {
			return fmt.Errorf("stream %s: %w", s.id, err)
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
	member := struct {
		Version int         `json:"v"`
		Path    record.Text `json:"path"`
		Mode    string      `json:"mode"`
		UID     uint32      `json:"uid"`
		GID     uint32      `json:"gid"`
		Size    uint64      `json:"size"`
		Mtime   string      `json:"mtime"`
		Link    record.Text `json:"link,omitempty"`   // the path that a hard link is another name of
		Target  record.Text `json:"target,omitempty"` // of a symbolic link
		Object  string      `json:"object,omitempty"`
	}{
		Version: record.JSONVersion, Path: record.Text(m.Name), Mode: mode(m).String(), UID: uint32(m.UID), GID: uint32(m.GID), Size: uint64(m.Size), Mtime: mtime(m),
	}
	switch {
	case m.Type == '1':
		member.Link = record.Text(m.Link)
	case m.Type == '2':
		member.Target = record.Text(m.Link)
	case !object.IsZero():
		member.Object = object.String()
	}
	return record.WriteJSON(out, member)
}

func mode(m *tarball.Member) fs.FileMode {
	kinds := map[byte]fs.FileMode{'5': fs.ModeDir, '2': fs.ModeSymlink, '3': fs.ModeDevice | fs.ModeCharDevice, '4': fs.ModeDevice, '6': fs.ModeNamedPipe}
	return kinds[m.Type] | fs.FileMode(m.Mode&0o777)
}

func mtime(m *tarball.Member) string {
	return time.Unix(m.Mtime.Sec, int64(m.Mtime.Nsec)).UTC().Format(time.RFC3339Nano)
}

// line describes a member: mode, owner, size, time, name, and what it leads to.
func line(m *tarball.Member, object verity.ID) string {
	s := fmt.Sprintf("%s %d/%d %d %s %q", mode(m), m.UID, m.GID, m.Size, mtime(m), m.Name)
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
