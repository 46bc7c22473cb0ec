package spool

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"sync"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"cfs/lib/blob"
	"cfs/lib/corrupt"
	"cfs/lib/manifest"
)

// The files of a blob that is put together from parts, beside its name.
const (
	rangesSuffix   = ".ranges"   // the parts that have come
	assemblySuffix = ".parts"    // what was put together
	newSuffix      = ".assembly" // the same on its way
)

// suffixes are those of all files that a blob has beside its name, the one that is its lock last.
var suffixes = []string{rangesSuffix, assemblySuffix, newSuffix, partialSuffix}

// A file of parts is a sequence of records: rangesMagic, the offset in the blob and the length, u64
// little-endian each, and as many bytes. The last one may be cut. What comes later counts.
const (
	rangesMagic  = "cfsrange"
	rangesHeader = 24
)

// Pieces are parts of a blob that are there, in any order. Nothing of them is verified.
type Pieces struct {
	spool *Spool
	name  string   // of the blob in the spool
	size  int64    // of the blob
	lock  *os.File // nil if others may be at it
	file  *os.File // the file of parts that is appended to
	whole *os.File // with what was fetched from the start on, nil if there is none
	files []*os.File

	mu     sync.Mutex
	end    int64 // of file
	record []byte
	pieces []piece
}

// piece is a part of the blob, and where it is in a file.
type piece struct {
	blob.Span
	file *os.File
	at   int64
}

// OpenPieces opens the parts of a blob, and keeps others from fetching it until Close. If somebody
// else is at it, it waits. What there is of a blob that was fetched from its start is a part.
func (s *Spool) OpenPieces(ctx context.Context, d v1.Descriptor) (p *Pieces, err error) {
	name, err := manifest.BlobName(d.Digest)
	if err != nil {
		return nil, err
	}
	if err := s.mkdir(path.Dir(name)); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	p = &Pieces{spool: s, name: name, size: d.Size}
	p.lock, err = s.lockPartial(ctx, name+partialSuffix, func() {
		if s.Waiting != nil {
			s.Waiting(d)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	p.files = []*os.File{p.lock}
	if err = p.addPrefix(p.lock); err == nil {
		err = p.openRanges()
	}
	if err != nil {
		return nil, fmt.Errorf("spool: %w", errors.Join(err, p.Close()))
	}
	return p, nil
}

// PeekPieces is OpenPieces for who only wants to know what would be fetched: it changes nothing in
// the spool, which may be nil, waits for nobody, and keeps what is appended in memory.
func PeekPieces(s *Spool, d v1.Descriptor) (p *Pieces, err error) {
	name, err := manifest.BlobName(d.Digest)
	if err != nil {
		return nil, err
	}
	p = &Pieces{spool: s, name: name, size: d.Size}
	if s != nil {
		err = p.peek()
	}
	if err == nil {
		err = p.openMemory()
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *Pieces) openMemory() error {
	n, err := unix.MemfdCreate("cfs-ranges", unix.MFD_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("memfd_create", err)
	}
	p.file = os.NewFile(uintptr(n), "memory")
	p.files, p.end = append(p.files, p.file), 0
	return nil
}

// peek takes in the files that are there.
func (p *Pieces) peek() error {
	for _, from := range []struct {
		suffix string
		add    func(*os.File) error
	}{{partialSuffix, p.addPrefix}, {rangesSuffix, p.addRanges}} {
		f, err := p.spool.root.OpenRegular(p.name + from.suffix)
		if errors.Is(err, fs.ErrNotExist) || isOdd(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("spool: %w", err)
		}
		p.files = append(p.files, f)
		if err := from.add(f); err != nil && !errors.Is(err, errRanges) {
			return fmt.Errorf("spool: %w", err)
		}
	}
	return nil
}

// addPrefix takes in what has come of the blob from its start.
func (p *Pieces) addPrefix(f *os.File) error {
	st, err := f.Stat()
	if err == nil && st.Size() > 0 && st.Size() <= p.size {
		p.whole = f
		p.add(piece{blob.Span{End: st.Size()}, f, 0})
	}
	return err
}

// openRanges opens the file of parts, and makes it ready to be appended to. One that is no such
// file is made anew.
func (p *Pieces) openRanges() (err error) {
	if p.file, err = p.spool.openOwn(p.name + rangesSuffix); err != nil {
		return err
	}
	p.files = append(p.files, p.file)
	before := slices.Clone(p.pieces)
	err = p.addRanges(p.file)
	if errors.Is(err, errRanges) {
		p.pieces, p.end = before, 0
		err = nil
	}
	if err != nil {
		return err
	}
	return p.file.Truncate(p.end)
}

// errRanges means that a file is no file of parts of this blob.
var errRanges = errors.New("no parts of this blob")

// addRanges takes in what a file of parts has, and notes where its last record ends. A cut one is
// made right if the file can be written to.
func (p *Pieces) addRanges(f *os.File) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	size, writes := st.Size(), f == p.file
	for p.end = 0; size-p.end > rangesHeader; {
		var head [rangesHeader]byte
		if _, err := f.ReadAt(head[:], p.end); err != nil {
			return err
		}
		span, err := p.parseHeader(head)
		if err != nil {
			return err
		}
		at := p.end + rangesHeader
		if left := size - at; span.Len() > left {
			span.End = span.Start + left
			if writes {
				if _, err := f.WriteAt(header(span), p.end); err != nil {
					return err
				}
			}
		}
		p.add(piece{span, f, at})
		p.end = at + span.Len()
	}
	return nil
}

func (p *Pieces) parseHeader(head [rangesHeader]byte) (blob.Span, error) {
	start, n := binary.LittleEndian.Uint64(head[8:]), binary.LittleEndian.Uint64(head[16:])
	if string(head[:8]) != rangesMagic || n == 0 || start > uint64(p.size) || n > uint64(p.size)-start {
		return blob.Span{}, errRanges
	}
	return blob.Span{Start: int64(start), End: int64(start + n)}, nil
}

func header(s blob.Span) []byte {
	h := append(make([]byte, 0, rangesHeader), rangesMagic...)
	h = binary.LittleEndian.AppendUint64(h, uint64(s.Start))
	return binary.LittleEndian.AppendUint64(h, uint64(s.Len()))
}

// add takes in a piece, which covers what is there already of its bytes.
func (p *Pieces) add(e piece) {
	p.cut(e.Span)
	p.pieces = slices.Insert(p.pieces, p.find(e.Start), e)
}

// find returns the first piece that ends behind a byte.
func (p *Pieces) find(at int64) int {
	return sort.Search(len(p.pieces), func(i int) bool { return p.pieces[i].End > at })
}

// cut takes some bytes out of the pieces.
func (p *Pieces) cut(s blob.Span) {
	first := p.find(s.Start)
	last := first
	var rest []piece
	for ; last < len(p.pieces) && p.pieces[last].Start < s.End; last++ {
		e := p.pieces[last]
		if e.Start < s.Start {
			rest = append(rest, piece{blob.Span{Start: e.Start, End: s.Start}, e.file, e.at})
		}
		if e.End > s.End {
			rest = append(rest, piece{blob.Span{Start: s.End, End: e.End}, e.file, e.at + s.End - e.Start})
		}
	}
	p.pieces = slices.Replace(p.pieces, first, last, rest...)
}

// Forget forgets what is there of some bytes: they were wrong.
func (p *Pieces) Forget(s blob.Span) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut(s)
}

// Missing returns what of some bytes is not there, in order.
func (p *Pieces) Missing(s blob.Span) (missing []blob.Span) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.pieces[p.find(s.Start):] {
		if e.Start >= s.End {
			break
		}
		if e.Start > s.Start {
			missing = append(missing, blob.Span{Start: s.Start, End: e.Start})
		}
		if s.Start = e.End; s.Start >= s.End {
			return missing
		}
	}
	return append(missing, s)
}

// Prefix returns how many bytes are there from the start of the blob on, where a fetch of the
// whole goes on.
func (p *Pieces) Prefix() int64 {
	if len(p.pieces) > 0 && p.pieces[0].Start == 0 && p.pieces[0].file == p.whole {
		return p.pieces[0].End
	}
	return 0
}

// Append takes in bytes of the blob, from an offset on. Several may do so at once. A process that is
// killed loses at most what it has not appended.
func (p *Pieces) Append(offset int64, data []byte) error {
	if len(data) == 0 {
		return nil
	}
	if offset < 0 || offset > p.size || int64(len(data)) > p.size-offset {
		return corrupt.Errorf("%d bytes at %d are not in the blob's %d", len(data), offset, p.size)
	}
	s := blob.Span{Start: offset, End: offset + int64(len(data))}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.record = append(append(p.record[:0], header(s)...), data...)
	if _, err := p.file.WriteAt(p.record, p.end); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	p.add(piece{s, p.file, p.end + rangesHeader})
	p.end += rangesHeader + s.Len()
	return nil
}

// Open returns a reader of some bytes, all of which must be there.
func (p *Pieces) Open(s blob.Span) io.Reader {
	p.mu.Lock()
	defer p.mu.Unlock()
	var parts []io.Reader
	for _, e := range p.pieces[p.find(s.Start):] {
		if e.Start >= s.End {
			break
		}
		from, to := max(e.Start, s.Start), min(e.End, s.End)
		parts = append(parts, io.NewSectionReader(e.file, e.at+from-e.Start, to-from))
	}
	return io.MultiReader(parts...)
}

// Assembly opens what was put together of the blob by an earlier run. The error wraps fs.ErrNotExist
// if there is nothing. Nobody has verified it since.
func (p *Pieces) Assembly() (*os.File, error) {
	if p.spool == nil {
		return nil, fs.ErrNotExist
	}
	f, err := p.spool.root.OpenRegular(p.name + assemblySuffix)
	if isOdd(err) {
		err = fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	return f, err
}

// Assemble makes a file for what is put together, which write writes. It has its name when write has
// returned without an error; the parts, and what was fetched from the start of the blob, are removed then.
func (p *Pieces) Assemble(write func(io.Writer) error) error {
	f, err := p.spool.openOwn(p.name + newSuffix)
	if err == nil {
		if err = f.Truncate(0); err == nil {
			err = write(f)
		}
		err = errors.Join(err, f.Close())
	}
	if err == nil {
		err = p.spool.root.Rename(p.name+newSuffix, p.name+assemblySuffix)
	}
	if err != nil {
		return fmt.Errorf("spool: %w", errors.Join(err, p.spool.remove(p.name+newSuffix)))
	}
	return p.spool.remove(p.name + rangesSuffix)
}

// AssemblyPath returns where what was put together lies.
func (p *Pieces) AssemblyPath() string { return filepath.Join(p.spool.dir, p.name) + assemblySuffix }

// Temp returns a file in the spool that has no name.
func (p *Pieces) Temp() (*os.File, error) {
	name := p.name + newSuffix + ".temp" // below the lock
	f, err := p.spool.openOwn(name)
	if err != nil {
		return nil, err
	}
	return f, p.spool.root.Remove(name)
}

// Drop removes the parts, and what was put together.
func (p *Pieces) Drop() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pieces, p.end = nil, 0
	return errors.Join(p.spool.remove(p.name+assemblySuffix), p.spool.remove(p.name+rangesSuffix), p.file.Truncate(0))
}

// Close lets others at the blob. What has come stays. A file of parts with nothing in it does not.
func (p *Pieces) Close() (err error) {
	if p.lock != nil && p.file != nil && p.end == 0 {
		err = p.spool.remove(p.name + rangesSuffix)
	}
	for _, f := range slices.Backward(p.files) {
		err = errors.Join(err, f.Close())
	}
	return err
}
