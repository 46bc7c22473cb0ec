package layer

import (
	"context"
	"fmt"
	"io"

	"cfs/lib/tarball"
	"cfs/lib/verity"
)

// large reads a large file, which is stored meanwhile on a goroutine of its own, and when
// that is slower, while what comes behind it is read.
func (s *splitter) large(m *tarball.Member) error {
	if err := s.handOver(); err != nil {
		return err
	}
	name, size := m.Name, int64(m.Size)
	b := newBatch()
	b.add(part{name: name, size: size})
	full := make(chan []byte)
	s.group.Go(func() error {
		content := &segments{ctx: s.ctx, full: full, free: s.free}
		id, err := s.store.Large(content, size)
		if err == nil {
			_, err = content.WriteTo(io.Discard) // what was not wanted would never become free
		}
		if err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		b.parts[0].id = id
		close(b.done)
		return nil
	})
	if err := send(s.ctx, s.queue, b); err != nil {
		return err
	}
	for at := int64(0); at < size; {
		buffer, err := s.take()
		if err != nil {
			return err
		}
		buffer = buffer[:min(size-at, verity.Small)]
		if n, err := io.ReadFull(s.tar, buffer); err != nil {
			return truncated(err, s.Offset+at+int64(n))
		}
		at += int64(len(buffer))
		if err := send(s.ctx, full, buffer); err != nil {
			return err
		}
	}
	close(full) // only here: what is not whole has no end, but an error
	return nil
}

// segments is the content of a large file, in the buffers into which it is read.
type segments struct {
	ctx  context.Context
	full <-chan []byte
	free chan<- []byte
	rest []byte // of the current one
	now  []byte
}

// next makes the next segment the current one. The error is io.EOF after the last one.
func (c *segments) next() error {
	if c.now != nil {
		c.free <- c.now[:verity.Small]
		c.now = nil
	}
	select {
	case buffer, ok := <-c.full:
		if !ok {
			return io.EOF
		}
		c.now, c.rest = buffer, buffer
		return nil
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
}

func (c *segments) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// WriteTo writes the segments as they are.
func (c *segments) WriteTo(w io.Writer) (n int64, err error) {
	for {
		if len(c.rest) > 0 {
			m, err := w.Write(c.rest)
			n += int64(m)
			c.rest = c.rest[m:]
			if err != nil {
				return n, err
			}
		}
		if err := c.next(); err == io.EOF {
			return n, nil
		} else if err != nil {
			return n, err
		}
	}
}
