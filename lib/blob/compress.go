package blob

import (
	"bufio"
	"bytes"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"cfs/lib/corrupt"
)

// Compression is how a layer is compressed.
type Compression string

const (
	None Compression = "tar"
	Gzip Compression = "gzip"
	Zstd Compression = "zstd"
)

// zstdWindow is the largest window that a layer may ask for: what zstd(1) gives
// without --long.
const zstdWindow = 128 << 20

// Decompress returns the uncompressed bytes of in, all members or frames of it. A
// damaged stream is an error that is marked as corrupt; an error of in comes as it
// is.
func Decompress(in io.Reader, c Compression) (io.ReadCloser, error) {
	if c == None {
		return io.NopCloser(in), nil
	}
	source := &source{in: in}
	d := &decompressor{source: source, name: c}
	switch c {
	case Gzip:
		z, err := gzip.NewReader(bufio.NewReaderSize(source, 64<<10))
		if err != nil {
			return nil, d.mark(corrupt.UnexpectedEOF(err))
		}
		d.Reader, d.close = z, func() { z.Close() }
	case Zstd:
		z, err := zstd.NewReader(source, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return nil, d.mark(err)
		}
		d.Reader, d.close = z, z.Close
	}
	return d, nil
}

// Sniff tells from the first bytes how in is compressed, and returns a reader of
// the whole.
func Sniff(in io.Reader) (Compression, io.Reader, error) {
	b := bufio.NewReaderSize(in, 64<<10)
	head, err := b.Peek(4)
	if err != nil && err != io.EOF {
		return None, nil, err
	}
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}): // RFC 1952
		return Gzip, b, nil
	case bytes.Equal(head, []byte{0x28, 0xb5, 0x2f, 0xfd}), // RFC 8878, 3.1.1
		len(head) == 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:], []byte{0x2a, 0x4d, 0x18}): // 3.1.2
		return Zstd, b, nil
	}
	return None, b, nil
}

// decompressor tells damage of the stream from errors of its source.
type decompressor struct {
	io.Reader
	source *source
	name   Compression
	close  func()
}

func (d *decompressor) Read(p []byte) (int, error) {
	n, err := d.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = d.mark(err)
	}
	return n, err
}

func (d *decompressor) Close() error {
	d.close()
	return nil
}

func (d *decompressor) mark(err error) error {
	if d.source.err != nil {
		return d.source.err
	}
	return corrupt.Errorf("%s: %w", d.name, err)
}

// source remembers the error of a reader.
type source struct {
	in  io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.in.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}
