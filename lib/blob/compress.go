package blob

import (
	"io"

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
// damaged stream is an error that is marked as corrupt, as is what stands behind gzip data
// and is no zero; an error of in comes as it is.
func Decompress(in io.Reader, c Compression) (io.ReadCloser, error) {
	if c == None {
		return io.NopCloser(in), nil
	}
	source := &corrupt.Source{In: in}
	d := &decompressor{source: source, name: c}
	switch c {
	case Gzip:
		z, err := newGzipReader(source)
		if err != nil {
			return nil, d.mark(corrupt.UnexpectedEOF(err))
		}
		d.Reader, d.close = z, func() {}
	case Zstd:
		z, err := zstd.NewReader(source, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return nil, d.mark(err)
		}
		d.Reader, d.close = z, z.Close
	}
	return d, nil
}

// decompressor tells damage of the stream from errors of its source.
type decompressor struct {
	io.Reader
	source *corrupt.Source
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
	return d.source.Errorf("%s: %w", d.name, err)
}
