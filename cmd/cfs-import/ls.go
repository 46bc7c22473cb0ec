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
	"cfs/lib/repo"
	"cfs/lib/tarball"
	"cfs/lib/verity"
)

// list writes a line for each member, as tar -tv does.
func (o *options) list() error {
	return o.withStream(func(r *repo.Repo, s named) error {
		if err := oci.ReadLayer(r, s.id, listMembers); err != nil {
			return fmt.Errorf("stream %s: %w", s.id, err)
		}
		return nil
	})
}

func listMembers(l *layer.Reader) error {
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
		fmt.Fprintln(out, line(m, object))
	}
}

// line describes a member: mode, owner, size, time, name, and what it leads to.
func line(m *tarball.Member, object verity.ID) string {
	kinds := map[byte]fs.FileMode{'5': fs.ModeDir, '2': fs.ModeSymlink, '3': fs.ModeDevice | fs.ModeCharDevice, '4': fs.ModeDevice, '6': fs.ModeNamedPipe}
	s := fmt.Sprintf("%s %d/%d %d %s %q", kinds[m.Type]|fs.FileMode(m.Mode&0o777), m.UID, m.GID, m.Size,
		time.Unix(m.Mtime.Sec, int64(m.Mtime.Nsec)).UTC().Format(time.RFC3339Nano), m.Name)
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
