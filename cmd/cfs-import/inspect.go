package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/urfave/cli/v2"

	"cfs/lib/layer"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/splitstream"
	"cfs/lib/tarball"
	"cfs/lib/tool"
	"cfs/lib/verity"
)

// withStream opens the stream that the operand names and does something with it.
func withStream(c *cli.Context, do func(*repo.Repo, verity.ID, *splitstream.Reader) error) error {
	if c.NArg() != 1 {
		return tool.UsageError("want one STREAM")
	}
	r, err := tool.OpenRepo(c, false)
	if err != nil {
		return err
	}
	defer r.Close()
	id, err := find(r, c.Args().First())
	if err != nil {
		return err
	}
	s, closer, err := oci.OpenStream(r, id)
	if err != nil {
		return err
	}
	defer closer.Close()
	return do(r, id, s)
}

// find returns the stream that an operand names.
func find(r *repo.Repo, name string) (verity.ID, error) {
	if id, err := verity.ParseID(name); err == nil && id.Algorithm() == r.Algorithm {
		return id, nil
	}
	if d := digest.Digest(name); d.Validate() == nil {
		name = oci.LayerName(oci.Key(d))
	}
	if ref, ok := strings.CutPrefix(name, "refs/"); ok {
		var err error
		if name, err = r.Ref(repo.Streams, ref); err != nil {
			return verity.ID{}, err
		}
	}
	return r.Lookup(repo.Streams, name)
}

func cat(c *cli.Context) error {
	return withStream(c, func(r *repo.Repo, id verity.ID, s *splitstream.Reader) error {
		open := func(id verity.ID) (io.ReadCloser, error) { return r.Objects.Open(id) }
		if _, err := s.Join(os.Stdout, open); err != nil {
			return fmt.Errorf("stream %s: %w", id, err)
		}
		return nil
	})
}

// list writes a line for each member, as tar -tv does.
func list(c *cli.Context) error {
	return withStream(c, func(_ *repo.Repo, id verity.ID, s *splitstream.Reader) error {
		l, err := layer.NewReader(s)
		if err != nil {
			return fmt.Errorf("stream %s: %w", id, err)
		}
		out := bufio.NewWriter(os.Stdout)
		defer out.Flush()
		for {
			m, object, _, err := l.Next()
			if err == io.EOF {
				return out.Flush()
			}
			if err != nil {
				return fmt.Errorf("stream %s: %w", id, err)
			}
			fmt.Fprintln(out, line(m, object))
		}
	})
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

// show writes what the tables of a stream say.
func show(c *cli.Context) error {
	return withStream(c, func(r *repo.Repo, id verity.ID, s *splitstream.Reader) error {
		if c.Bool("json") {
			return showJSON(id, s)
		}
		out := bufio.NewWriter(os.Stdout) // keeps its first error
		fmt.Fprintf(out, "stream %s\ntype %s\nalgorithm %s\nsize %d\n", id, s.ContentType, s.Algorithm, s.Size)
		if s.OldHeader {
			fmt.Fprintln(out, "header old")
		}
		for _, ref := range s.Refs {
			fmt.Fprintf(out, "ref %s %s\n", ref.ID, ref.Name)
		}
		for _, object := range s.Objects {
			size, err := r.Objects.Size(object)
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "object %s %d\n", object, size)
		}
		return out.Flush()
	})
}

func showJSON(id verity.ID, s *splitstream.Reader) error {
	type ref struct {
		Name string `json:"name"`
		ID   string `json:"id"`
	}
	out := struct {
		ID        string   `json:"id"`
		Type      string   `json:"type"`
		Algorithm string   `json:"algorithm"`
		Size      uint64   `json:"size"`
		OldHeader bool     `json:"old-header"`
		Refs      []ref    `json:"refs"`
		Objects   []string `json:"objects"`
	}{ID: id.String(), Type: s.ContentType.String(), Algorithm: s.Algorithm.String(), Size: s.Size, OldHeader: s.OldHeader, Refs: []ref{}, Objects: []string{}}
	for _, r := range s.Refs {
		out.Refs = append(out.Refs, ref{r.Name, r.ID.String()})
	}
	for _, o := range s.Objects {
		out.Objects = append(out.Objects, o.String())
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}
