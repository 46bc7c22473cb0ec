package tarball

import (
	"fmt"
	"io"

	"cfs/lib/corrupt"
	"cfs/lib/tolerance"
)

// take reads an extension header that may come once before a member.
func (r *Reader) take(dst *[]byte, what string, b *block, size uint64) error {
	if *dst != nil {
		return corrupt.Errorf("duplicate %s", what)
	}
	switch {
	case b.format() == v7:
		r.read |= tolerance.SetOf(tolerance.BareExtension)
	case b.isOddVersion():
		r.read |= tolerance.SetOf(tolerance.UstarVersion)
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
	if r.extensions == nil {
		r.extensions = make([]byte, 0, BlockSize) // an extension of no bytes is one, too
	}
	start := len(r.extensions)
	r.extensions = append(r.extensions, make([]byte, (size+BlockSize-1)&^(BlockSize-1))...)
	data := r.extensions[start:]
	n, err := io.ReadFull(r.In, data)
	r.Offset += int64(n)
	return data[:size:size], truncated(err)
}

func (r *Reader) forgetExtensions() {
	r.pax, r.longName, r.longLink, r.metadata = nil, nil, nil, 0
	r.extensions = r.extensions[:0]
}
