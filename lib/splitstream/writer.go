package splitstream

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"

	"cfs/lib/verity"
)

// Writer makes one splitstream. The order of its calls decides the file: objects
// and targets stand in it in the order in which they first came.
type Writer struct {
	alg     verity.Algorithm
	typ     ContentType
	size    uint64
	targets table
	objects table
	refs    []Ref
	literal *overflow // the literal bytes since the last object
	stream  *overflow // the stream section so far, compressed
	zstd    *zstd.Encoder
}

// table is digests in order of first addition, each once.
type table struct {
	ids   []verity.ID
	index map[verity.ID]int
}

func (t *table) add(id verity.ID) int {
	if i, ok := t.index[id]; ok {
		return i
	}
	if t.index == nil {
		t.index = make(map[verity.ID]int)
	}
	t.index[id] = len(t.ids)
	t.ids = append(t.ids, id)
	return len(t.ids) - 1
}

func (t *table) bytes() []byte {
	var raw []byte
	for _, id := range t.ids {
		raw = append(raw, id.Bytes()...)
	}
	return raw
}

// NewWriter returns a Writer for an empty stream. What gets too large for memory
// goes into files that temp makes; they are closed by Close, and nothing else
// removes them.
func NewWriter(a verity.Algorithm, t ContentType, temp func() (*os.File, error)) (*Writer, error) {
	return newLeveled(a, t, temp, zstd.SpeedDefault)
}

// NewPassingWriter is NewWriter for a stream that is read once and then removed: it takes less time and
// more room.
func NewPassingWriter(a verity.Algorithm, t ContentType, temp func() (*os.File, error)) (*Writer, error) {
	return newLeveled(a, t, temp, zstd.SpeedFastest)
}

func newLeveled(a verity.Algorithm, t ContentType, temp func() (*os.File, error), level zstd.EncoderLevel) (w *Writer, err error) {
	w = &Writer{alg: a, typ: t, literal: &overflow{temp: temp}, stream: &overflow{temp: temp}}
	w.zstd, err = newEncoder(w.stream, level)
	return w, err
}

// newEncoder compresses as the reference does: level 3, a window of 2 MiB, no
// checksum, and a frame even for no data. The compressed bytes depend on the
// version of the library, so nothing may depend on them.
func newEncoder(w io.Writer, level zstd.EncoderLevel) (*zstd.Encoder, error) {
	return zstd.NewWriter(w, zstd.WithEncoderLevel(level), zstd.WithWindowSize(2<<20),
		zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithZeroFrames(true), zstd.WithLowerEncoderMem(true))
}

// Size returns how many bytes the stream has so far, those of objects counted.
func (w *Writer) Size() uint64 { return w.size }

// Write adds literal bytes. Adjacent ones become one chunk, whatever the calls.
func (w *Writer) Write(p []byte) (int, error) {
	w.size += uint64(len(p))
	return w.literal.Write(p)
}

// WriteObject adds a reference to an object that has size bytes.
func (w *Writer) WriteObject(id verity.ID, size uint64) error {
	if err := w.flush(); err != nil {
		return err
	}
	w.size += size
	return w.writeInt(int64(w.objects.add(id)))
}

// AddRef adds a named reference. A name may come once.
func (w *Writer) AddRef(name string, id verity.ID) {
	w.targets.add(id)
	w.refs = append(w.refs, Ref{name, id})
}

// flush turns the pending literal bytes into a chunk.
func (w *Writer) flush() error {
	if w.literal.size == 0 {
		return nil
	}
	if err := w.writeInt(-w.literal.size); err != nil {
		return err
	}
	return w.literal.drain(w.zstd)
}

func (w *Writer) writeInt(i int64) error {
	_, err := w.zstd.Write(binary.LittleEndian.AppendUint64(nil, uint64(i)))
	return err
}

// Finish ends the stream and writes the whole file to dst.
func (w *Writer) Finish(dst io.Writer) error {
	if err := w.flush(); err != nil {
		return err
	}
	if err := w.zstd.Close(); err != nil {
		return err
	}
	refs, err := w.namedRefs()
	if err != nil {
		return err
	}
	targets, objects := w.targets.bytes(), w.objects.bytes()
	head := w.head(len(targets), len(objects), refs.size)
	for _, part := range [][]byte{head, targets, objects} {
		if _, err := dst.Write(part); err != nil {
			return err
		}
	}
	if err := refs.drain(dst); err != nil {
		return err
	}
	return w.stream.drain(dst)
}

// head returns header and info. The sections follow in the order that the
// reference writes them in: stream refs, object refs, named refs, stream.
func (w *Writer) head(targets, objects int, refs int64) []byte {
	b := make([]byte, headerSize+infoSize)
	copy(b[offMagic:], magic)
	b[offVersion] = Version
	b[offAlgorithm] = byte(w.alg)
	b[offBlockBits] = verity.BlockBits

	end := uint64(headerSize)
	put := func(at int, size uint64) {
		binary.LittleEndian.PutUint64(b[at:], end)
		end += size
		binary.LittleEndian.PutUint64(b[at+8:], end)
	}
	put(offInfo, infoSize)
	put(headerSize+offStreamRefs, uint64(targets))
	put(headerSize+offObjectRefs, uint64(objects))
	put(headerSize+offNamedRefs, uint64(refs))
	put(headerSize+offStream, uint64(w.stream.size))
	binary.LittleEndian.PutUint64(b[headerSize+offContentType:], uint64(w.typ))
	binary.LittleEndian.PutUint64(b[headerSize+offStreamSize:], w.size)
	return b
}

// namedRefs returns the compressed section of the names, which are sorted.
func (w *Writer) namedRefs() (*overflow, error) {
	section := &overflow{temp: w.stream.temp}
	if len(w.refs) == 0 {
		_, err := section.Write([]byte(emptyFrame))
		return section, err
	}
	enc, err := newEncoder(section, zstd.SpeedDefault)
	if err != nil {
		return nil, err
	}
	for _, ref := range slices.SortedFunc(slices.Values(w.refs), compareRefs) {
		record := strconv.Itoa(w.targets.index[ref.ID]) + ":" + ref.Name + "\x00"
		if _, err := io.WriteString(enc, record); err != nil {
			return nil, err
		}
	}
	return section, enc.Close()
}

func compareRefs(a, b Ref) int { return strings.Compare(a.Name, b.Name) }

// Close closes the Writer's temporary files.
func (w *Writer) Close() error {
	w.zstd.Reset(nil)
	return errors.Join(w.literal.close(), w.stream.close())
}
