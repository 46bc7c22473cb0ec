package layer

import (
	"fmt"
	"io"

	"cfs/lib/corrupt"
	"cfs/lib/splitstream"
	"cfs/lib/tarball"
	"cfs/lib/verity"
)

// Reader reads the members of a layer out of its splitstream.
type Reader struct {
	tar    tarball.Reader
	stream *splitstream.Reader
	object verity.ID // that stands at the current place, zero for literal bytes
	buffer [512]byte // more than any content that stands in the stream itself
}

// NewReader returns a Reader from the start of the stream of a layer on. It fails
// if the stream is something else.
func NewReader(s *splitstream.Reader) (*Reader, error) {
	if s.ContentType != splitstream.Layer {
		return nil, corrupt.Errorf("splitstream of type %q is no layer", s.ContentType)
	}
	r := &Reader{stream: s}
	r.tar.In = literals{r}
	return r, nil
}

// Next returns the next member, which is good until the next call, and its content: the
// object of a regular file larger than tree.InlineMax, or the bytes of a smaller one.
// Bodies of other members mean nothing. It returns io.EOF at the end of the archive.
func (r *Reader) Next() (m *tarball.Member, object verity.ID, inline string, err error) {
	if m, err = r.tar.Next(); err != nil {
		return nil, verity.ID{}, "", err
	}
	switch {
	case m.IsExternal():
		object, err = r.takeObject()
		r.tar.Offset += int64(m.Size)
	case m.IsRegular():
		content := r.buffer[:m.Size]
		_, err = io.ReadFull(r.tar.In, content)
		inline = string(content)
		r.tar.Offset += int64(m.Size)
	default:
		err = r.skip(int64(m.Size))
	}
	if err == nil {
		err = r.skip(m.Padding())
	}
	if err != nil {
		err = fmt.Errorf("%.300q at byte %d: %w", m.Name, m.Offset, truncated(err, r.tar.Offset))
	}
	return m, object, inline, err
}

func (r *Reader) skip(n int64) error {
	for n > 0 {
		got, err := r.tar.In.Read(r.buffer[:min(n, int64(len(r.buffer)))])
		r.tar.Offset += int64(got)
		n -= int64(got)
		if err != nil && n > 0 {
			return err
		}
	}
	return nil
}

// takeObject returns the object that comes next.
func (r *Reader) takeObject() (verity.ID, error) {
	if err := r.advance(); err != nil {
		return verity.ID{}, corrupt.UnexpectedEOF(err)
	}
	id := r.object
	r.object = verity.ID{}
	if id.IsZero() {
		return id, corrupt.Errorf("the content of a large file stands in the splitstream itself")
	}
	return id, nil
}

// advance goes to the next literal byte or object, if it is not there already.
func (r *Reader) advance() error {
	if !r.object.IsZero() || r.stream.Literal() > 0 {
		return nil
	}
	var err error
	r.object, _, err = r.stream.Next()
	return err
}

// literals gives literal bytes; an object in their place is an error.
type literals struct{ r *Reader }

func (l literals) Read(p []byte) (int, error) {
	if err := l.r.advance(); err != nil {
		return 0, err
	}
	if !l.r.object.IsZero() {
		return 0, corrupt.Errorf("splitstream refers to object %s where tar headers or padding should be", l.r.object)
	}
	return l.r.stream.Read(p)
}
