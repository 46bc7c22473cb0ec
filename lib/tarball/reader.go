// Package tarball reads tar headers: ustar, V7, GNU, star and PAX, with extension headers applied
// to the member that they precede. The format is that of POSIX.1-2017, pax. Where programs
// differ, it follows container runtimes, that is, Go's archive/tar, and reports for each member
// how the reference reads it differently; what only the reference accepts, it accepts too.
//
// It does not read bodies, write splitstreams, or judge names: package layer defines what a
// member does to a tree.
package tarball

import (
	"errors"
	"fmt"
	"io"

	"cfs/lib/corrupt"
	"cfs/lib/tolerance"
)

const (
	// maxMetadata bounds the extension headers before a member, in bytes of all.
	maxMetadata = 1 << 20
	// maxSize keeps sizes and offsets far from overflow.
	maxSize = 1 << 62
)

// ErrSparse means that a member is sparse, in one of the five ways in which a tar
// can say so. Such members are not supported.
var ErrSparse = errors.New("sparse members are not supported")

// Reader reads the headers of a tar. Its user reads the bodies, and what stands behind
// them up to the next block, from In, and adds their bytes to Offset. An image has as many
// headers as files, so nothing is allocated anew for each of them but its strings.
type Reader struct {
	In     io.Reader
	Offset int64         // of In, in bytes from the start of the tar
	End    tolerance.Set // how the end is read otherwise than by the reference, after io.EOF

	block block // the last header
	ahead bool  // or the next one, which was read already
	last  Member
	read  tolerance.Set // of the headers since the last member

	// extension headers since the last member
	pax, longName, longLink []byte
	metadata                uint64
	extensions              []byte // where they are kept
}

// Next returns the next member, leaving In at its body; it is good until the next
// call. It returns io.EOF at the two zero blocks that end an archive, and at an end of
// the input in place of one or both. Other errors name the offset of the header, and are
// marked as corrupt unless they are those of In, or wrap ErrSparse.
func (r *Reader) Next() (*Member, error) {
	for {
		at := r.Offset
		if r.ahead {
			at -= BlockSize
		}
		b, err := r.header()
		if err == io.EOF {
			r.End |= r.read
			return nil, err
		}
		var m *Member
		if err == nil {
			m, err = r.interpret(b)
		}
		if err != nil {
			return nil, fmt.Errorf("header at byte %d: %w", at, err)
		}
		if m != nil {
			r.read = 0
			m.Offset = at
			return m, nil
		}
	}
}

// header reads the next header block, past a single block of zeros.
func (r *Reader) header() (*block, error) {
	if err := r.readBlock(); err != nil {
		if err == io.EOF && r.hasExtensions() {
			err = corrupt.Errorf("no member after its extension headers: %w", io.ErrUnexpectedEOF)
		}
		return nil, err
	}
	if !r.block.isZero() {
		return r.verified()
	}
	err := r.readBlock()
	switch {
	case err != nil && err != io.EOF:
		return nil, err
	case err == nil && !r.block.isZero():
		return r.verified()
	case r.hasExtensions():
		return nil, corrupt.Errorf("no member after its extension headers")
	case err == io.EOF:
		r.End |= tolerance.SetOf(tolerance.LoneZeroBlock)
	}
	return nil, io.EOF
}

// verified returns the current block if it is a header.
func (r *Reader) verified() (*block, error) {
	read, err := r.block.verify()
	r.read |= read
	return &r.block, err
}

func (r *Reader) hasExtensions() bool {
	return r.pax != nil || r.longName != nil || r.longLink != nil
}

// readBlock goes to the next block. It returns io.EOF only if there is no byte more.
func (r *Reader) readBlock() error {
	if r.ahead {
		r.ahead = false
		return nil
	}
	n, err := io.ReadFull(r.In, r.block[:])
	r.Offset += int64(n)
	if err == io.EOF {
		return err
	}
	return truncated(err)
}

// interpret takes in an extension header, or returns the member that b begins.
func (r *Reader) interpret(b *block) (*Member, error) {
	var n numbers
	size := n.number("size", b.size())
	r.read |= n.read
	if n.err != nil {
		return nil, n.err
	}
	if size > maxSize {
		return nil, corrupt.Errorf("size of %d bytes", size)
	}
	switch flag := b.typeFlag(); {
	case flag == 'g':
		// Global records apply to nothing, and make what came before be forgotten.
		_, err := r.extension(size, 0)
		r.forgetExtensions()
		return nil, err
	case flag == 'x':
		return nil, r.take(&r.pax, "PAX extended header", b, size)
	case flag == 'L':
		return nil, r.take(&r.longName, "GNU long name", b, size)
	case flag == 'K':
		return nil, r.take(&r.longLink, "GNU long link", b, size)
	case flag == 'S' && b.format() != v7:
		return nil, ErrSparse
	}
	return r.member(b, size)
}

// noBody settles what the size of a member without a body means: nothing, as a rule, and
// the next header follows at once. Only the reference reads a body there; if what follows
// is no header, there must be one.
func (r *Reader) noBody(m *Member) error {
	size := m.Size
	m.Size = 0
	err := r.readBlock()
	switch {
	case err == io.EOF, err == nil && r.block.isHeader():
		r.ahead = err == nil
		m.Read |= tolerance.SetOf(tolerance.BodySize)
		return nil
	case err != nil:
		return err
	}
	n, err := io.CopyN(io.Discard, r.In, int64(size)+padding(size)-BlockSize)
	r.Offset += n
	return truncated(err)
}

// truncated is for where the end of the input is too early. Other errors stay as they
// are.
func truncated(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return corrupt.Errorf("truncated tar: %w", io.ErrUnexpectedEOF)
	}
	return err
}
