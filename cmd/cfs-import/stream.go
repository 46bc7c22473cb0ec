package main

import (
	"fmt"
	"io"
	"os"

	"cfs/lib/lookup"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/splitstream"
	"cfs/lib/tool"
	"cfs/lib/verity"
)

// withStream opens the stream that the operand names and does something with it.
func (o *options) withStream(do func(*repo.Repo, verity.ID, *splitstream.Reader) error) error {
	if len(o.Operands) != 1 {
		return tool.UsageError("want one STREAM")
	}
	r, err := o.OpenRepo(false)
	if err != nil {
		return err
	}
	defer r.Close()
	id, err := lookup.Stream(r, o.Operands[0])
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

// cat writes what was split.
func (o *options) cat() error {
	return o.withStream(func(r *repo.Repo, id verity.ID, s *splitstream.Reader) error {
		open := func(id verity.ID) (io.ReadCloser, error) { return r.Objects.Open(id) }
		if _, err := s.Join(os.Stdout, open); err != nil {
			return fmt.Errorf("stream %s: %w", id, err)
		}
		return nil
	})
}
