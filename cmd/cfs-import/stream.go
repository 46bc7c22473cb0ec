package main

import (
	"fmt"
	"io"
	"os"

	"github.com/opencontainers/go-digest"

	"cfs/lib/corrupt"
	"cfs/lib/lookup"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/splitstream"
	"cfs/lib/tool"
	"cfs/lib/verity"
)

// named is a stream, and the digest that its content has by its name, "" if there is none.
type named struct {
	id     verity.ID
	digest digest.Digest
	*splitstream.Reader
}

// withStream opens the stream that the operand names and does something with it.
func (o *options) withStream(do func(*repo.Repo, named) error) error {
	if len(o.Operands) != 1 {
		return tool.UsageError("want one STREAM")
	}
	r, err := o.OpenRepo(false)
	if err != nil {
		return err
	}
	defer r.Close()
	id, d, err := lookup.Stream(r, o.Operands[0])
	if err != nil {
		return err
	}
	s, closer, err := oci.OpenStream(r, id)
	if err != nil {
		return err
	}
	defer closer.Close()
	return do(r, named{id, d, s})
}

// cat writes what was split, and compares it with the digest that it is named by.
func (o *options) cat() error {
	return o.withStream(func(r *repo.Repo, s named) error {
		open := func(id verity.ID) (io.ReadCloser, error) { return r.Objects.Open(id) }
		digester := digest.Canonical.Digester()
		if s.digest != "" {
			digester = s.digest.Algorithm().Digester()
		}
		if _, err := s.Join(io.MultiWriter(os.Stdout, digester.Hash()), open); err != nil {
			return fmt.Errorf("stream %s: %w", s.id, err)
		}
		if got := digester.Digest(); s.digest != "" && got != s.digest {
			return corrupt.Errorf("stream %s: what was written has the digest %s, not %s as its name says", s.id, got, s.digest)
		}
		return nil
	})
}
