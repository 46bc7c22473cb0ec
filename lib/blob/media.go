package blob

import (
	"bufio"
	"bytes"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
)

// Docker's media types, from its "Image Manifest Version 2, Schema 2". Those of
// layers and configs are taken as their OCI twins.
const (
	DockerManifest     = "application/vnd.docker.distribution.manifest.v2+json"
	DockerManifestList = "application/vnd.docker.distribution.manifest.list.v2+json"
	DockerConfig       = "application/vnd.docker.container.image.v1+json"

	dockerSchema1       = "application/vnd.docker.distribution.manifest.v1+json"
	dockerSchema1Signed = "application/vnd.docker.distribution.manifest.v1+prettyjws"

	dockerLayer   = "application/vnd.docker.image.rootfs.diff.tar"
	dockerForeign = "application/vnd.docker.image.rootfs.foreign.diff.tar"
)

const nonDistributable = "application/vnd.oci.image.layer.nondistributable.v1.tar"

// Compression is how a layer is compressed.
type Compression string

const (
	None Compression = "tar"
	Gzip Compression = "gzip"
	Zstd Compression = "zstd"
)

// layers holds the media types of layers that are tars.
var layers = map[string]Compression{
	v1.MediaTypeImageLayer:     None,
	v1.MediaTypeImageLayerGzip: Gzip,
	v1.MediaTypeImageLayerZstd: Zstd,
	// Deprecated by the image specification, but still found.
	nonDistributable:           None,
	nonDistributable + "+gzip": Gzip,
	nonDistributable + "+zstd": Zstd,

	dockerLayer:             None,
	dockerLayer + ".gzip":   Gzip,
	dockerLayer + ".zstd":   Zstd,
	dockerForeign:           None,
	dockerForeign + ".gzip": Gzip,
}

// LayerCompression returns how a layer of that media type is compressed, and
// whether it is a tar at all.
func LayerCompression(mediaType string) (Compression, bool) {
	c, ok := layers[mediaType]
	return c, ok
}

// IsManifest reports whether a media type is that of a manifest or an index, which a
// registry serves apart from other blobs.
func IsManifest(mediaType string) bool {
	switch mediaType {
	case v1.MediaTypeImageManifest, v1.MediaTypeImageIndex, DockerManifest, DockerManifestList, dockerSchema1, dockerSchema1Signed:
		return true
	}
	return false
}

// IsForeign reports whether a layer of that media type is kept outside of registries,
// where its descriptor's URLs say.
func IsForeign(mediaType string) bool {
	return strings.HasPrefix(mediaType, nonDistributable) || strings.HasPrefix(mediaType, dockerForeign)
}

// IsDocker reports whether a media type is one of Docker's own, which the reference
// does not know.
func IsDocker(mediaType string) bool {
	return strings.HasPrefix(mediaType, "application/vnd.docker.")
}

// IsImageConfig reports whether a config of that media type is a container image's,
// with the diff IDs of its layers, and not an artifact's.
func IsImageConfig(mediaType string) bool {
	return mediaType == v1.MediaTypeImageConfig || mediaType == DockerConfig
}

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
			return nil, d.mark(noEOF(err))
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

// noEOF is for where the end of the input is too early.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
