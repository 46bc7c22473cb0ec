package blob

import (
	"bufio"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
)

// gzipReader reads all members of a gzip stream. Zeros may stand behind the last one, as
// tapes and some registries add them; anything else is an error.
type gzipReader struct {
	in     *bufio.Reader
	member *gzip.Reader
}

func newGzipReader(in io.Reader) (*gzipReader, error) {
	b := bufio.NewReaderSize(in, 64<<10)
	z, err := gzip.NewReader(b)
	if err != nil {
		return nil, err
	}
	z.Multistream(false)
	return &gzipReader{b, z}, nil
}

func (g *gzipReader) Read(p []byte) (int, error) {
	for {
		n, err := g.member.Read(p)
		if err != io.EOF {
			return n, err
		}
		if n > 0 {
			return n, nil // the end comes again
		}
		if err := g.next(); err != nil {
			return 0, err
		}
	}
}

// next goes to the next member. It returns io.EOF if there is none.
func (g *gzipReader) next() error {
	head, err := g.in.Peek(len(gzipMagic))
	if string(head) != gzipMagic {
		if err != nil && err != io.EOF {
			return err
		}
		return g.skipZeros()
	}
	if err := g.member.Reset(g.in); err != nil {
		return err
	}
	g.member.Multistream(false)
	return nil
}

// skipZeros reads what stands behind the last member, and returns io.EOF if it is zeros.
func (g *gzipReader) skipZeros() error {
	var buffer [4096]byte
	var count int64
	var other byte
	for {
		n, err := g.in.Read(buffer[:])
		count += int64(n)
		for _, c := range buffer[:n] {
			other |= c
		}
		switch {
		case err == io.EOF && other == 0:
			return io.EOF
		case err == io.EOF:
			return fmt.Errorf("%d bytes after the gzip data", count)
		case err != nil:
			return err
		}
	}
}
