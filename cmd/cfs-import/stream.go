package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/opencontainers/go-digest"

	"cfs/lib/corrupt"
	"cfs/lib/fd"
	"cfs/lib/lookup"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/splitstream"
	"cfs/lib/tool"
	"cfs/lib/verity"
)

// named is a stream, and the digest that its content has by its name, "" if there is none. That of a file has no
// id.
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
	if name := o.Operands[0]; isFile(name) {
		return withFile(r, name, do)
	}
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

// isFile reports whether an operand is the path of a file, as of an assembly in the spool, and not a name in the
// repository.
func isFile(name string) bool {
	return strings.HasPrefix(name, "/") || strings.HasPrefix(name, "./") || strings.HasPrefix(name, "../")
}

// withFile opens a splitstream in a file, whose objects are those of the repository.
func withFile(r *repo.Repo, name string, do func(*repo.Repo, named) error) error {
	f, err := fd.OpenRegular(name)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	s, err := splitstream.NewReader(f, st.Size())
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer s.Close()
	if s.Algorithm != r.Algorithm {
		return corrupt.Errorf("%s: a splitstream of %s in a repository of %s", name, s.Algorithm, r.Algorithm)
	}
	return do(r, named{Reader: s})
}

// name returns what the stream is called in messages.
func (s named) name() string {
	if s.id.IsZero() {
		return "-"
	}
	return s.id.String()
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
			return fmt.Errorf("stream %s: %w", s.name(), err)
		}
		if got := digester.Digest(); s.digest != "" && got != s.digest {
			return corrupt.Errorf("stream %s: what was written has the digest %s, not %s as its name says", s.id, got, s.digest)
		}
		return nil
	})
}
