package layer

import (
	"context"
	"fmt"
	"io"

	"cfs/lib/splitstream"
	"cfs/lib/tarball"
	"cfs/lib/verity"
)

// batch is a part of the stream, of which the small files are stored together, or which
// is one large file.
type batch struct {
	parts    []part
	literals int           // bytes
	files    []int         // which parts are small files
	contents [][]byte      // of those
	buffer   []byte        // holds the contents; nil if there are none
	used     int           // of the buffer
	done     chan struct{} // closed when the parts have their digests
}

// part is a run of literal bytes, or an object.
type part struct {
	literal []byte
	name    string
	size    int64
	id      verity.ID
}

func newBatch() *batch { return &batch{done: make(chan struct{})} }

func (b *batch) add(p part) {
	b.parts = append(b.parts, p)
	b.literals += len(p.literal)
}

// small reads a small file into the batch.
func (s *splitter) small(m *tarball.Member) error {
	if s.batch.used+int(m.Size) > verity.Small || len(s.batch.files) == batchFiles {
		if err := s.handOver(); err != nil {
			return err
		}
	}
	b := s.batch
	if b.buffer == nil {
		var err error
		if b.buffer, err = s.take(); err != nil {
			return err
		}
	}
	content := b.buffer[b.used:][:m.Size]
	if n, err := io.ReadFull(s.tar, content); err != nil {
		return truncated(err, s.Offset+int64(n))
	}
	b.used += len(content)
	b.contents = append(b.contents, content)
	b.files = append(b.files, len(b.parts))
	b.add(part{name: m.Name, size: int64(m.Size)})
	return nil
}

// take returns a free buffer.
func (s *splitter) take() ([]byte, error) {
	select {
	case buffer := <-s.free:
		if buffer == nil {
			buffer = make([]byte, verity.Small)
		}
		return buffer, nil
	case <-s.ctx.Done():
		return nil, s.ctx.Err()
	}
}

// handOver leaves the batch to those who store and assemble, and begins another one.
func (s *splitter) handOver() error {
	b := s.batch
	s.batch = newBatch()
	if len(b.parts) == 0 {
		return nil
	}
	if len(b.files) == 0 {
		close(b.done)
	} else if err := send(s.ctx, s.jobs, b); err != nil {
		return err
	}
	return send(s.ctx, s.queue, b)
}

func send[T any](ctx context.Context, to chan<- T, v T) error {
	select {
	case to <- v:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// work stores small files until there are no more.
func (s *splitter) work() error {
	for b := range s.jobs {
		ids, err := s.store.Small(b.contents)
		if err != nil {
			return fmt.Errorf("%q: %w", b.parts[b.files[len(ids)]].name, err)
		}
		for i, p := range b.files {
			b.parts[p].id = ids[i]
		}
		s.free <- b.buffer
		close(b.done)
	}
	return nil
}

// assemble writes the batches in their order.
func (s *splitter) assemble(w *splitstream.Writer) error {
	for b := range s.queue {
		select {
		case <-b.done:
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
		for _, p := range b.parts {
			if err := p.write(w); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p part) write(w *splitstream.Writer) error {
	if p.literal == nil {
		return w.WriteObject(p.id, uint64(p.size))
	}
	_, err := w.Write(p.literal)
	return err
}
