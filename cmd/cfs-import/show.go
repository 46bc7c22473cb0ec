package main

import (
	"bufio"
	"fmt"
	"os"

	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/splitstream"
)

// show writes what the tables of a stream say.
func (o *options) show() error {
	return o.withStream(func(r *repo.Repo, s named) error {
		if o.JSON {
			return showJSON(s.name(), s.Reader)
		}
		out := bufio.NewWriter(os.Stdout) // keeps its first error
		fmt.Fprintf(out, "stream %s\ntype %s\nalgorithm %s\nsize %d\n", s.name(), s.ContentType, s.Algorithm, s.Size)
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

func showJSON(id string, s *splitstream.Reader) error {
	type ref struct {
		Name record.Text `json:"name"`
		ID   string      `json:"id"`
	}
	out := struct {
		Version   int      `json:"v"`
		ID        string   `json:"id"`
		Type      string   `json:"type"`
		Algorithm string   `json:"algorithm"`
		Size      uint64   `json:"size"`
		OldHeader bool     `json:"old-header"`
		Refs      []ref    `json:"refs"`
		Objects   []string `json:"objects"`
	}{Version: record.JSONVersion, ID: id, Type: s.ContentType.String(), Algorithm: s.Algorithm.String(), Size: s.Size, OldHeader: s.OldHeader, Refs: []ref{}, Objects: []string{}}
	for _, r := range s.Refs {
		out.Refs = append(out.Refs, ref{record.Text(r.Name), r.ID.String()})
	}
	for _, o := range s.Objects {
		out.Objects = append(out.Objects, o.String())
	}
	return record.WriteJSON(os.Stdout, out)
}
