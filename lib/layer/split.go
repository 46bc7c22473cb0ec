// Package layer turns the tar of a container's layer into a splitstream, and
// merges layers into the tree of the container's root file system.
//
// Both read the tar by the same rules, those of package tarball: importing needs
// only to know where the bodies of regular files are, and the merge reads the
// headers again, out of the splitstream. Rules about what members mean are applied
// when they are merged, so that a splitstream never depends on them.
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
	// inFlight is how many buffers there are for small files, which are hashed and
	// stored while the next ones are read: the bound on memory.
	inFlight = 8
	// literalRun is how many literal bytes are handed on at once.
	literalRun = 32 << 10
)

// Put stores the content of a file of size bytes as an object and returns its
// digest; or only returns it.
type Put func(content io.Reader, size int64) (verity.ID, error)

// Split reads an uncompressed tar to its end and writes it to w: the content of
// regular files larger than tree.InlineMax as objects, which put stores, all else
// literally. put is called from several goroutines. Memory does not depend on the
// sizes of files.
func Split(tar io.Reader, w *splitstream.Writer, put Put) error {
	group, ctx := errgroup.WithContext(context.Background())
	s := &splitter{ctx: ctx, tar: tar, put: put, pieces: make(chan piece, 64), jobs: make(chan job), free: make(chan []byte, inFlight)}
	s.In = recorder{s}
	for range inFlight {
		s.free <- nil // made when it is needed
	}
	group.Go(func() error {
		defer close(s.pieces)
		defer close(s.jobs)
		return s.read()
	})
	for range min(runtime.GOMAXPROCS(0), inFlight) {
		group.Go(s.store)
	}
	group.Go(func() error { return s.assemble(w) })
	return group.Wait()
}

// splitter reads on one goroutine, stores small files on several, and puts the
// stream together, in order, on another.
type splitter struct {
	tarball.Reader
	ctx     context.Context
	tar     io.Reader
	put     Put
	literal []byte // read, and not yet among the pieces
	pieces  chan piece
	jobs    chan job
	free    chan []byte // buffers for small files
}

// piece is a part of the stream: literal bytes, or an object that is being stored.
type piece struct {
	literal []byte
	object  <-chan verity.ID
	size    int64
}

// job is a small file that is to be stored.
type job struct {
	name    string
	content []byte
	id      chan<- verity.ID
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
	return s.flush()
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
	var err error
	if m.Size <= verity.Small {
		err = s.hand(m)
	} else {
		err = s.putNow(m)
	}
	if err != nil {
		return err
	}
	s.Offset += int64(m.Size)
	return s.skip(m.Padding())
}

// hand reads a small file and leaves it to store.
func (s *splitter) hand(m *tarball.Member) error {
	var buffer []byte
	select {
	case buffer = <-s.free:
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
	if buffer == nil {
		buffer = make([]byte, verity.Small)
	}
	content := buffer[:m.Size]
	if n, err := io.ReadFull(s.tar, content); err != nil {
		return truncated(err, s.Offset+int64(n))
	}
	id := make(chan verity.ID, 1)
	select {
	case s.jobs <- job{m.Name, content, id}:
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
	return s.send(piece{object: id, size: int64(m.Size)})
}

// putNow stores a large file while it is read.
func (s *splitter) putNow(m *tarball.Member) error {
	id, err := s.put(io.LimitReader(s.tar, int64(m.Size)), int64(m.Size))
	if err != nil {
		return truncated(err, s.Offset)
	}
	done := make(chan verity.ID, 1)
	done <- id
	return s.send(piece{object: done, size: int64(m.Size)})
}

// truncated marks an error that is an early end of the tar.
func truncated(err error, offset int64) error {
	if errors.Is(corrupt.UnexpectedEOF(err), io.ErrUnexpectedEOF) {
		return corrupt.Errorf("truncated tar at byte %d", offset)
	}
	return err
}

// flush makes a piece of the literals.
func (s *splitter) flush() error {
	if len(s.literal) == 0 {
		return nil
	}
	literal := s.literal
	s.literal = nil
	return s.send(piece{literal: literal})
}

func (s *splitter) send(p piece) error {
	select {
	case s.pieces <- p:
		return nil
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

// store stores small files until there are no more.
func (s *splitter) store() error {
	for j := range s.jobs {
		id, err := s.put(bytes.NewReader(j.content), int64(len(j.content)))
		if err != nil {
			return fmt.Errorf("%q: %w", j.name, err)
		}
		s.free <- j.content[:verity.Small]
		j.id <- id
	}
	return nil
}

// assemble writes the pieces in their order.
func (s *splitter) assemble(w *splitstream.Writer) error {
	for p := range s.pieces {
		if p.object == nil {
			if _, err := w.Write(p.literal); err != nil {
				return err
			}
			continue
		}
		select {
		case id := <-p.object:
			if err := w.WriteObject(id, uint64(p.size)); err != nil {
				return err
			}
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
	}
	return nil
}
