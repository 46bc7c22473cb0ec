package blob

import (
	"context"
	"errors"
	"io"

	"cfs/lib/corrupt"
)

// Compression is how a layer is compressed.
type Compression string

const (
	None Compression = "tar"
	Gzip Compression = "gzip"
	Zstd Compression = "zstd"
)

// Decompress returns the uncompressed bytes of in, all members or frames of it. A
// damaged stream is an error that is marked as corrupt, as is what stands behind gzip data
// and is no zero; an error of in comes as it is.
func Decompress(in io.Reader, c Compression) (io.ReadCloser, error) {
	return DecompressWithin(context.Background(), in, c, nil)
}

// DecompressWithin is Decompress with a bound on memory that it shares with others. A read
// that waits for its share ends with ctx.
func DecompressWithin(ctx context.Context, in io.Reader, c Compression, windows *Windows) (io.ReadCloser, error) {
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
		z, err := newZstdReader(ctx, source, windows)
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
	if err != nil && err != io.EOF && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
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
