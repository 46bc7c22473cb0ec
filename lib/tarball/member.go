// Package tarball reads the headers of a tar: ustar, V7, GNU and PAX, with extension
// headers applied to the member that they stand before. POSIX.1-2017, pax, is the
// source of the format; where programs differ, it reads as the reference does.
//
// It reads no bodies, knows no splitstream, and judges no names: what a member does to a
// tree is the concern of package layer.
package tarball

import (
	"errors"
	"fmt"
	"io"

	"cfs/lib/corrupt"
	"cfs/lib/tolerance"
	"cfs/lib/tree"
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

// Member is one member of a tar, with what extension headers say about it applied.
type Member struct {
	Type         byte // flag: '0' and NUL and '7' regular, '5' directory, …
	Name, Link   string
	Mode         uint64
	UID, GID     uint32
	Mtime        tree.Time
	Major, Minor uint64
	Device       bool // the header has device numbers
	Size         uint64
	Xattrs       []tree.Xattr
	Sparse       bool
	Offset       int64         // of the header in the tar
	Read         tolerance.Set // in which ways it is read otherwise than by the reference

	before1970 bool
}

// IsRegular reports whether the member is a regular file with a body.
func (m *Member) IsRegular() bool { return m.Type == '0' || m.Type == 0 || m.Type == '7' }

// IsExternal reports whether the content is kept as an object, not in the stream.
func (m *Member) IsExternal() bool { return m.IsRegular() && m.Size > tree.InlineMax }

// Padding returns the number of bytes from the body's end to the next block.
func (m *Member) Padding() int64 { return int64(-m.Size & (blockSize - 1)) }

// Reader reads the headers of a tar. Its user reads the bodies, and what stands behind
// them up to the next block, from In, and adds their bytes to Offset. An image has as many
// headers as files, so nothing is allocated anew for each of them but its strings.
type Reader struct {
	In     io.Reader
	Offset int64 // of In, in bytes from the start of the tar

	block block // the last header
	last  Member

	// extension headers since the last member
	pax, longName, longLink []byte
	metadata                uint64
	extensions              []byte // where they are kept
}

// Next returns the next member, leaving In at its body; it is good until the next
// call. It returns io.EOF at the two zero blocks that end an archive, and at an end of
// the input in their place. Other errors name the offset of the header, and are marked as
// corrupt unless they are those of In, or wrap ErrSparse.
func (r *Reader) Next() (*Member, error) {
	for {
		at := r.Offset
		b, err := r.header()
		if err == io.EOF {
			return nil, err
		}
		if err != nil {
			return nil, fmt.Errorf("header at byte %d: %w", at, err)
		}
		m, err := r.interpret(b)
		if err != nil {
			return nil, fmt.Errorf("header at byte %d: %w", at, err)
		}
		if m != nil {
			m.Offset = at
			return m, nil
		}
	}
}

// header reads the next header block, past a single block of zeros.
func (r *Reader) header() (*block, error) {
	b := &r.block
	if err := r.readBlock(b); err != nil {
		if err == io.EOF && r.hasExtensions() {
			err = corrupt.Errorf("no member after its extension headers: %w", io.ErrUnexpectedEOF)
		}
		return nil, err
	}
	if !b.isZero() {
		return b, b.verify()
	}
	if err := r.readBlock(b); err != nil {
		return nil, truncated(err)
	}
	if !b.isZero() {
		return b, b.verify()
	}
	if r.hasExtensions() {
		return nil, corrupt.Errorf("no member after its extension headers")
	}
	return nil, io.EOF
}

func (r *Reader) hasExtensions() bool {
	return r.pax != nil || r.longName != nil || r.longLink != nil
}

// readBlock returns io.EOF only if there is no byte more.
func (r *Reader) readBlock(b *block) error {
	n, err := io.ReadFull(r.In, b[:])
	r.Offset += int64(n)
	if err == io.EOF {
		return err
	}
	return truncated(err)
}

// truncated marks an early end of the input. Other errors of reading stay what they are.
func truncated(err error) error {
	if err = corrupt.UnexpectedEOF(err); err == io.ErrUnexpectedEOF {
		return corrupt.Errorf("truncated tar: %w", err)
	}
	return err
}

// interpret takes in an extension header, or returns the member that b begins.
func (r *Reader) interpret(b *block) (*Member, error) {
	size, err := parseNumber(b.size())
	if err != nil {
		return nil, corrupt.Errorf("size: %w", err)
	}
	if size > maxSize {
		return nil, corrupt.Errorf("size of %d bytes", size)
	}
	extended := b.format() != v7
	switch flag := b.typeFlag(); {
	case flag == 'g':
		// Global records apply to nothing, and make what came before be forgotten.
		_, err := r.extension(size, 0)
		r.forgetExtensions()
		return nil, err
	case flag == 'x' && extended:
		return nil, r.take(&r.pax, "PAX extended header", size)
	case flag == 'L' && extended:
		return nil, r.take(&r.longName, "GNU long name", size)
	case flag == 'K' && extended:
		return nil, r.take(&r.longLink, "GNU long link", size)
	case flag == 'S' && extended:
		return nil, ErrSparse
	}
	return r.member(b, size)
}

// take reads an extension header that may come once before a member.
func (r *Reader) take(dst *[]byte, what string, size uint64) error {
	if *dst != nil {
		return corrupt.Errorf("duplicate %s", what)
	}
	data, err := r.extension(size, r.metadata)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	r.metadata += size
	*dst = data
	return nil
}

// extension reads the body of an extension header, which has a bound.
func (r *Reader) extension(size, before uint64) ([]byte, error) {
	if before+size > maxMetadata {
		return nil, corrupt.Errorf("extension headers of more than %d bytes", maxMetadata)
	}
	start := len(r.extensions)
	r.extensions = append(r.extensions, make([]byte, (size+blockSize-1)&^(blockSize-1))...)
	data := r.extensions[start:]
	n, err := io.ReadFull(r.In, data)
	r.Offset += int64(n)
	if err != nil {
		return nil, truncated(err)
	}
	return data[:size:size], nil
}

func (r *Reader) forgetExtensions() {
	r.pax, r.longName, r.longLink, r.metadata = nil, nil, nil, 0
	r.extensions = r.extensions[:0]
}

// member reads the header of a member and applies the extensions: PAX before GNU
// before the header.
func (r *Reader) member(b *block, size uint64) (*Member, error) {
	r.last = Member{Type: b.typeFlag(), Size: size}
	m := &r.last
	m.setNames(r, b)
	if err := m.readNumbers(b); err != nil {
		return nil, err
	}
	err := m.applyPAX(r.pax)
	r.forgetExtensions()
	switch {
	case err != nil:
		return nil, err
	case m.Sparse:
		return nil, ErrSparse
	case m.Size > maxSize:
		return nil, corrupt.Errorf("size of %d bytes", m.Size)
	case m.Name == "":
		return nil, corrupt.Errorf("member without a name")
	}
	return m, nil
}

// setNames takes each name from where it counts: a GNU extension or the header.
func (m *Member) setNames(r *Reader, b *block) {
	switch prefix := b.prefix(); {
	case r.longName != nil:
		m.Name = string(trimNUL(r.longName))
	case b.format() == ustar && len(prefix) > 0:
		m.Name = string(prefix) + "/" + string(b.name())
	default:
		m.Name = string(b.name())
	}
	if r.longLink != nil {
		m.Link = string(trimNUL(r.longLink))
	} else {
		m.Link = string(b.linkName())
	}
}

// trimNUL cuts the one NUL that ends a GNU long name.
func trimNUL(s []byte) []byte {
	if n := len(s); n > 0 && s[n-1] == 0 {
		return s[:n-1]
	}
	return s
}

func (m *Member) readNumbers(b *block) error {
	var n numbers
	m.Mode = n.parse("mode", b.mode())
	m.UID = uint32(n.parse("uid", b.uid()))
	m.GID = uint32(n.parse("gid", b.gid()))
	m.Mtime.Sec = int64(n.parse("mtime", b.mtime()))
	if m.Device = b.format() != v7; m.Device {
		m.Major = n.parse("devmajor", b.devMajor())
		m.Minor = n.parse("devminor", b.devMinor())
		if isBase256(b.devMajor()) || isBase256(b.devMinor()) {
			m.Read |= tolerance.SetOf(tolerance.BinaryDevice)
		}
	}
	return n.err
}

// numbers keeps the first error of several numbers.
type numbers struct{ err error }

func (n *numbers) parse(name string, field []byte) uint64 {
	v, err := parseNumber(field)
	if err != nil && n.err == nil {
		n.err = corrupt.Errorf("%s: %w", name, err)
	}
	return v
}
