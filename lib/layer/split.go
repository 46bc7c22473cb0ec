// Package layer turns the tar of a container's layer into a splitstream, and
// merges layers into the tree of the container's root file system.
//
// Both read the tar by the same rules, those of package tarball: importing needs
// only the positions of regular files' bodies, and merging reads the headers
// again, from the splitstream. The rules for what members mean are applied when
// layers are merged, so a splitstream never depends on them.
package layer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"

	"golang.org/x/sync/errgroup"

	"cfs/lib/corrupt"
	"cfs/lib/splitstream"
	"cfs/lib/tarball"
	"cfs/lib/verity"
)

const (
	// batchFiles is how many small files are hashed and stored together.
	batchFiles = 32
	// literalRun is how many literal bytes are handed on at once, and batchLiteral how many
	// there are at most among the files of a batch.
	literalRun   = 32 << 10
	batchLiteral = 4 * literalRun
)

// Put stores the content of a file of size bytes as an object and returns its
// digest; or only returns it.
type Put func(content io.Reader, size int64) (verity.ID, error)

// Store is where the contents of files go. Its functions are called from several
// goroutines.
type Store struct {
	// Small does what Put does for several contents of at most verity.Small bytes each.
	// Besides an error it returns the digests of the contents before the one that failed.
	Small func(contents [][]byte) ([]verity.ID, error)
	// Large is for contents of more bytes. They are io.WriterTo, which saves a copy.
	Large Put
}

// Each is the store in which put stores each content.
func Each(put Put) Store {
	small := func(contents [][]byte) (ids []verity.ID, err error) {
		for _, c := range contents {
			id, err := put(bytes.NewReader(c), int64(len(c)))
			if err != nil {
				return ids, err
			}
			ids = append(ids, id)
		}
		return ids, nil
	}
	return Store{small, put}
}

// Objects is a tar of which some contents are objects already that are stored.
type Objects interface {
	io.Reader
	// TakeObject returns the object whose content comes next, if all of it is that of one, of so many
	// bytes, and goes behind it. Else it is zero, and Read gives the content.
	TakeObject(size int64) (verity.ID, error)
}

// Split reads an uncompressed tar to its end and writes it to w: the content of
// regular files larger than tree.InlineMax as objects, all else literally. Small files are
// stored in batches, and large ones while they are read. Memory does not depend on the
// sizes of files. If the tar is also of the type Objects, what is an object already is not
// stored again.
func Split(tar io.Reader, w *splitstream.Writer, store Store) error {
	group, ctx := errgroup.WithContext(context.Background())
	workers := runtime.GOMAXPROCS(0)
	buffers := workers + 2 // one is filled, and one is waiting
	s := &splitter{ctx: ctx, group: group, tar: tar, store: store, batch: newBatch(),
		jobs: make(chan *batch), queue: make(chan *batch, buffers), free: make(chan []byte, buffers)}
	s.In = recorder{s}
	for range buffers {
		s.free <- nil // made when it is needed
	}
	group.Go(func() error {
		defer close(s.queue)
		defer close(s.jobs)
		return s.read()
	})
	for range workers {
		group.Go(s.work)
	}
	group.Go(func() error { return s.assemble(w) })
	return group.Wait()
}

// splitter reads on one goroutine, stores files on several, and puts the stream together,
// in order, on another.
type splitter struct {
	tarball.Reader
	ctx     context.Context
	group   *errgroup.Group
	tar     io.Reader
	store   Store
	literal []byte      // read, and not yet in the batch
	batch   *batch      // being filled
	jobs    chan *batch // with small files that are to be stored
	queue   chan *batch // in the order of the stream
	free    chan []byte // buffers of verity.Small bytes, which bound the memory
}

// recorder gives the tar's bytes and keeps them as literals.
type recorder struct{ s *splitter }

func (r recorder) Read(p []byte) (int, error) {
	n, err := r.s.tar.Read(p)
	r.s.literal = append(r.s.literal, p[:n]...)
	if len(r.s.literal) >= literalRun {
		if err := r.s.flush(); err != nil {
			return n, err
		}
	}
	return n, err
}

func (s *splitter) read() error {
	for {
		m, err := s.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if m.IsExternal() {
			err = s.external(m)
		} else {
			err = s.skip(int64(m.Size) + m.Padding())
		}
		if err != nil {
			return fmt.Errorf("%q at byte %d: %w", m.Name, m.Offset, err)
		}
	}
	// What stands after the end belongs to the archive too.
	if _, err := io.Copy(io.Discard, s.In); err != nil {
		return fmt.Errorf("after the end of the archive: %w", err)
	}
	if err := s.flush(); err != nil {
		return err
	}
	return s.handOver()
}

// skip keeps the next n bytes as literals.
func (s *splitter) skip(n int64) error {
	got, err := io.CopyN(io.Discard, s.In, n)
	s.Offset += got
	return truncated(err, s.Offset)
}

// external makes the member's content an object, and its padding literal.
func (s *splitter) external(m *tarball.Member) error {
	if err := s.flush(); err != nil {
		return err
	}
	id, err := s.taken(m)
	switch {
	case err != nil:
		return err
	case !id.IsZero():
		s.batch.add(part{name: m.Name, size: int64(m.Size), id: id})
	case m.Size <= verity.Small:
		err = s.small(m)
	default:
		err = s.large(m)
	}
	if err != nil {
		return err
	}
	s.Offset += int64(m.Size)
	return s.skip(m.Padding())
}

// taken returns the object that the content of a member is, zero if it is none.
func (s *splitter) taken(m *tarball.Member) (verity.ID, error) {
	if tar, ok := s.tar.(Objects); ok {
		id, err := tar.TakeObject(int64(m.Size))
		return id, truncated(err, s.Offset)
	}
	return verity.ID{}, nil
}

// truncated marks an error that is an early end of the tar.
func truncated(err error, offset int64) error {
	if errors.Is(corrupt.UnexpectedEOF(err), io.ErrUnexpectedEOF) {
		return corrupt.Errorf("truncated tar at byte %d", offset)
	}
	return err
}

// flush adds the literals to the batch.
func (s *splitter) flush() error {
	if len(s.literal) == 0 {
		return nil
	}
	s.batch.add(part{literal: s.literal})
	s.literal = nil
	if s.batch.literals < batchLiteral {
		return nil
	}
	return s.handOver()
}
