package splitstream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/klauspost/compress/zstd"

	"cfs/lib/corrupt"
	"cfs/lib/verity"
)

// Info is what the head of a splitstream says of it.
type Info struct {
	Algorithm   verity.Algorithm
	ContentType ContentType
	Size        uint64 // of the whole stream in bytes, as its writer says
	OldHeader   bool   // written in the layout that is only read

	block []byte // the info block
}

// Reader reads one splitstream. Its tables are read when it is made, the stream
// itself by Next and Read.
type Reader struct {
	Info
	Refs    []Ref       // sorted by name, each name once
	Objects []verity.ID // that the stream refers to, in order of first use

	stream  *io.SectionReader
	source  *corrupt.Source // of the decoder
	zstd    *zstd.Decoder   // nil before the first Next
	chunk   [8]byte         // the header of the current chunk
	literal uint64          // bytes of the current literal that are not yet read
	err     error
}

// ReadInfo reads the head of the splitstream of that size, and nothing else of it. The
// error is marked as corrupt if that is none, or has a section that is not inside the file.
func ReadInfo(r io.ReaderAt, size int64) (Info, error) {
	i, err := readHeader(r, size)
	if err != nil {
		return i, err
	}
	i.ContentType = ContentType(binary.LittleEndian.Uint64(i.block[offContentType:]))
	i.Size = binary.LittleEndian.Uint64(i.block[offStreamSize:])
	for _, s := range []section{streamRefs, objectRefs, namedRefs, stream} {
		if _, err := i.cut(r, size, s); err != nil {
			return i, err
		}
	}
	return i, nil
}

// NewReader reads the tables of the splitstream of that size. The error is marked as
// corrupt if that is none, or one of the tables is damaged; errors of r, now and when the
// Reader is used, come as they are. Close must be called in the end.
func NewReader(r io.ReaderAt, size int64) (*Reader, error) {
	info, err := ReadInfo(r, size)
	if err != nil {
		return nil, err
	}
	s := &Reader{Info: info}
	targets, err := s.readDigests(r, size, streamRefs)
	if err != nil {
		return nil, err
	}
	if s.Objects, err = s.readDigests(r, size, objectRefs); err != nil {
		return nil, err
	}
	names, err := s.cut(r, size, namedRefs)
	if err != nil {
		return nil, err
	}
	if s.Refs, err = readNamedRefs(names, targets); err != nil {
		return nil, err
	}
	s.stream, err = s.cut(r, size, stream)
	return s, err
}

// readHeader reads the header, in either layout, and the info block.
func readHeader(r io.ReaderAt, size int64) (i Info, err error) {
	if size > MaxSize {
		return i, corrupt.Errorf("splitstream of %d bytes is larger than %d", size, int64(MaxSize))
	}
	var h [headerSize]byte
	if err := readFull(io.NewSectionReader(r, 0, headerSize), h[:], fmt.Sprintf("header: file of %d bytes", size)); err != nil {
		return i, err
	}
	v, alg, bits, infoAt := h[offVersion], h[offAlgorithm], h[offBlockBits], h[offInfo:]
	switch {
	case string(h[offMagic:offMagic+len(magic)]) == magic:
	case string(h[offOldMagic:offOldMagic+len(magic)]) == magic:
		i.OldHeader = true
		v, alg, bits, infoAt = h[offOldVersion], h[offOldAlgorithm], h[offOldBlockBits], h[offOldInfo:]
	default:
		return i, corrupt.Errorf("not a splitstream: magic not found")
	}
	if v != Version {
		return i, corrupt.Errorf("splitstream version %d is not supported", v)
	}
	i.Algorithm = verity.Algorithm(alg)
	if i.Algorithm != verity.SHA256 && i.Algorithm != verity.SHA512 || bits != verity.BlockBits {
		return i, corrupt.Errorf("splitstream with hash %d and block size 2^%d is not supported", alg, bits)
	}
	section, err := cut(r, size, infoAt, "info")
	if err != nil {
		return i, err
	}
	if section.Size() < infoSize {
		return i, corrupt.Errorf("splitstream info of %d bytes: want %d", section.Size(), infoSize)
	}
	i.block = make([]byte, infoSize) // a longer one holds what we do not know
	return i, readFull(section, i.block, "info")
}

// readFull fills p from the start of a section. The file may have fewer bytes than it had
// when its size was taken.
func readFull(section *io.SectionReader, p []byte, name string) error {
	_, err := io.ReadFull(section, p)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return corrupt.Errorf("splitstream %s: %w", name, io.ErrUnexpectedEOF)
	}
	return err
}

// cut returns the section whose start and end stand at bounds.
func cut(r io.ReaderAt, size int64, bounds []byte, name string) (*io.SectionReader, error) {
	start, end := binary.LittleEndian.Uint64(bounds), binary.LittleEndian.Uint64(bounds[8:])
	if start > end || end > uint64(size) {
		return nil, corrupt.Errorf("splitstream %s at [%d, %d) are not inside the file's %d bytes", name, start, end, size)
	}
	return io.NewSectionReader(r, int64(start), int64(end-start)), nil
}

// cut returns a section of the file.
func (i *Info) cut(r io.ReaderAt, size int64, s section) (*io.SectionReader, error) {
	return cut(r, size, i.block[s.bounds:], s.name)
}

func (i *Info) readDigests(r io.ReaderAt, size int64, from section) ([]verity.ID, error) {
	n := i.Algorithm.Size()
	section, err := i.cut(r, size, from)
	if err != nil {
		return nil, err
	}
	if section.Size()%int64(n) != 0 {
		return nil, corrupt.Errorf("splitstream %s: %d bytes are not a whole number of digests", from.name, section.Size())
	}
	raw := make([]byte, section.Size())
	if err := readFull(section, raw, from.name); err != nil {
		return nil, err
	}
	ids := make([]verity.ID, 0, len(raw)/n)
	for digest := range slices.Chunk(raw, n) {
		ids = append(ids, i.Algorithm.MakeID(digest))
	}
	return ids, nil
}

func newDecoder(r io.Reader) (*corrupt.Source, *zstd.Decoder, error) {
	s := &corrupt.Source{In: r}
	d, err := zstd.NewReader(s, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zstdWindow))
	return s, d, err
}

// Next goes to the next chunk of the stream, past what is left of a literal. It
// returns the object whose content comes here, or, if that is zero, the number of
// literal bytes, which Read then gives. It returns io.EOF at the stream's end.
func (s *Reader) Next() (object verity.ID, literal uint64, err error) {
	if _, err := io.Copy(io.Discard, s); err != nil {
		return verity.ID{}, 0, err
	}
	if s.err != nil {
		return verity.ID{}, 0, s.err
	}
	if s.zstd == nil { // many readers only want the tables
		if s.source, s.zstd, s.err = newDecoder(s.stream); s.err != nil {
			return verity.ID{}, 0, s.err
		}
	}
	switch n, err := io.ReadFull(s.zstd, s.chunk[:]); {
	case err == io.EOF && n == 0:
		return verity.ID{}, 0, s.fail(io.EOF)
	case err != nil:
		return verity.ID{}, 0, s.fail(s.source.Errorf("splitstream chunk: %w", corrupt.UnexpectedEOF(err)))
	}
	k := int64(binary.LittleEndian.Uint64(s.chunk[:]))
	switch {
	case k == math.MinInt64:
		return verity.ID{}, 0, s.fail(corrupt.Errorf("splitstream chunk of 2^63 bytes"))
	case k < 0:
		s.literal = uint64(-k)
		return verity.ID{}, s.literal, nil
	case k >= int64(len(s.Objects)):
		return verity.ID{}, 0, s.fail(corrupt.Errorf("splitstream chunk refers to object %d of %d", k, len(s.Objects)))
	}
	return s.Objects[k], 0, nil
}

// Literal returns how many bytes Read still gives before Next must be called.
func (s *Reader) Literal() uint64 { return s.literal }

// Read gives the bytes of the literal that Next went to, io.EOF at their end.
func (s *Reader) Read(p []byte) (int, error) {
	if s.literal == 0 {
		return 0, io.EOF
	}
	if s.err != nil {
		return 0, s.err
	}
	if uint64(len(p)) > s.literal {
		p = p[:s.literal]
	}
	n, err := s.zstd.Read(p)
	s.literal -= uint64(n)
	if err != nil && (err != io.EOF || s.literal > 0) {
		return n, s.fail(s.source.Errorf("splitstream literal: %w", corrupt.UnexpectedEOF(err)))
	}
	return n, nil
}

// Join writes the stream as it was before it was split, from the chunk after
// the current one on, and returns how many bytes that were. It opens objects by
// open. That Size is right is not checked, as the reference does not.
func (s *Reader) Join(w io.Writer, open func(verity.ID) (io.ReadCloser, error)) (int64, error) {
	var total int64
	for {
		object, _, err := s.Next()
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		n, err := s.copyChunk(w, object, open)
		total += n
		if err != nil {
			return total, err
		}
	}
}

func (s *Reader) copyChunk(w io.Writer, object verity.ID, open func(verity.ID) (io.ReadCloser, error)) (int64, error) {
	if object.IsZero() {
		return io.Copy(w, struct{ io.Reader }{s})
	}
	f, err := open(object)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return io.Copy(w, f)
}

// Close frees what the decoder holds.
func (s *Reader) Close() {
	if s.zstd != nil {
		s.zstd.Close()
	}
	s.fail(errors.New("splitstream is closed"))
}

// fail keeps the first error for ever.
func (s *Reader) fail(err error) error {
	if s.err == nil {
		s.err = err
	}
	return s.err
}
