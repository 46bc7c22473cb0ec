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
		return nil, corrupt.Errorf("splitstream of type %q is not a layer", s.ContentType)
	}
	r := &Reader{stream: s}
	r.tar.In = literals{r}
	return r, nil
}

// CutError is the error of a stream that cannot be read as a layer: it is damaged, or it
// was cut by a program that reads some tars otherwise, of the reference or of an earlier
// version. Then splitting what Join makes of it gives the stream that it should be.
type CutError struct{ err error }

func (e *CutError) Error() string { return e.err.Error() }

// Unwrap returns what is wrong with the stream, which is marked as corrupt.
func (e *CutError) Unwrap() error { return e.err }

// Next returns the next member, which is good until the next call, and its content: the
// object of a regular file larger than tree.InlineMax, or the bytes of a smaller one.
// Bodies of other members mean nothing. It returns io.EOF at the end of the archive, if
// the rest of the stream is as it should be. What is wrong with the stream is a CutError.
func (r *Reader) Next() (m *tarball.Member, object verity.ID, inline string, err error) {
	m, object, inline, err = r.next()
	if err == io.EOF {
		if end := r.end(); end != nil {
			err = end
		}
	}
	if corrupt.Is(err) {
		err = &CutError{err}
	}
	return m, object, inline, err
}

func (r *Reader) next() (m *tarball.Member, object verity.ID, inline string, err error) {
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

// end reads what stands behind the end of the archive, none of it an object. Then the
// stream must have as many bytes as the tar: an object may have another size than its
// member, and who reads the stream does not see that of the last one.
func (r *Reader) end() error {
	for {
		r.tar.Offset += int64(r.stream.Literal())
		object, _, err := r.stream.Next()
		switch {
		case err == io.EOF && uint64(r.tar.Offset) != r.stream.Size:
			return corrupt.Errorf("splitstream of %d bytes: as a tar it has %d", r.stream.Size, r.tar.Offset)
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case !object.IsZero():
			return corrupt.Errorf("splitstream refers to object %s after the end of the archive", object)
		}
	}
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
		return id, corrupt.Errorf("the content of a large file is in the splitstream itself")
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
