package incremental

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"

	"cfs/lib/blob"
	"cfs/lib/chunked"
	"cfs/lib/corrupt"
	"cfs/lib/repo"
	"cfs/lib/splitstream"
	"cfs/lib/spool"
	"cfs/lib/tarsplit"
	"cfs/lib/tree"
	"cfs/lib/verity"
)

// errContent means that the content of a file, as it came, is not what the TOC says.
var errContent = errors.New("a file's part of the blob is not what the table of contents says")

// write writes the assembly, if it has the diff ID: a splitstream of the tar, in which files that were found
// are references to objects, and all else is literal.
func (a *Assembler) write(plan *Plan, diffID digest.Digest, p *spool.Pieces) error {
	a.writing.Lock()
	defer a.writing.Unlock()
	w, err := splitstream.NewPassingWriter(a.Repo.Algorithm, splitstream.Layer, p.Temp)
	if err != nil {
		return err
	}
	defer w.Close()
	if err := a.join(plan, diffID, p, w); err != nil {
		return err
	}
	return p.Assemble(w.Finish)
}

// join writes the tar to w and verifies it.
func (a *Assembler) join(plan *Plan, diffID digest.Digest, p *spool.Pieces, w *splitstream.Writer) error {
	sum := diffID.Algorithm().Hash()
	literal := io.MultiWriter(w, sum)
	frames := newFrames(plan.layer)
	defer frames.close()
	add := func(n int) error {
		c := plan.contents[n]
		switch {
		case c.inline != nil:
			_, err := literal.Write(c.inline)
			return err
		case c.isMissing():
			return frames.copy(literal, plan.files[c.same], p)
		}
		return a.refer(w, literal, sum, c.object, plan.files[n].Size, frames.buffer)
	}
	if err := plan.walk(literal, p, frames, add); err != nil {
		return err
	}
	if got := digest.NewDigest(diffID.Algorithm(), sum); got != diffID {
		return corrupt.Errorf("the tar has the digest %s, the config has the diff ID %s", got, diffID)
	}
	return nil
}

// walk goes through the tar: it writes to literal what is not the content of files, and calls add with the
// number of each file where its content comes.
func (plan *Plan) walk(literal io.Writer, p *spool.Pieces, frames *frames, add func(n int) error) error {
	l := plan.layer
	if l.IsStargz() {
		return l.WalkStargz(p.Open(l.TOC.Span), p.Open(l.Gaps(plan.files)[0]), literal, add)
	}
	if l.HasTarSplit() {
		return l.ReadTarSplit(p.Open(l.TarSplit.Span), plan.files, func(i tarsplit.Item, n int) error {
			if n >= 0 {
				return add(n)
			}
			_, err := literal.Write(i.Bytes)
			return err
		})
	}
	left := int64(maxGaps)
	for n, gap := range l.Gaps(plan.files) {
		got, err := frames.decode(literal, gap, left, p)
		if err != nil {
			return fmt.Errorf("between files, at byte %d of the blob: %w", gap.Start, err)
		}
		left -= got
		if n < len(plan.files) {
			if err := add(n); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxGaps is how many bytes the headers of a layer may have, and all else that is not the content of files.
const maxGaps = 256 << 20

// refer adds an object to the assembly: as a reference, if it is larger than what stands in streams.
func (a *Assembler) refer(w *splitstream.Writer, literal io.Writer, sum hash.Hash, id verity.ID, size int64, buffer []byte) error {
	f, err := a.Repo.Objects.Open(id)
	if err != nil {
		return err
	}
	defer f.Close()
	to := io.Writer(sum)
	if size <= tree.InlineMax {
		to = literal
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{f}, buffer)
	switch {
	case err != nil:
		return err
	case n != size:
		return corrupt.Errorf("object %s has %d bytes, and had %d before", id, n, size)
	case size <= tree.InlineMax:
		return nil
	}
	return w.WriteObject(id, uint64(size))
}

// frames decodes the parts of a blob that are the contents of files.
type frames struct {
	stargz  bool
	decoder *zstd.Decoder
	gzip    *gzip.Reader
	buffer  []byte
}

func newFrames(l *chunked.Layer) *frames {
	return &frames{stargz: l.IsStargz(), buffer: make([]byte, 256<<10)}
}

func (r *frames) close() {
	if r.decoder != nil {
		r.decoder.Close()
	}
}

// open begins to decode. Of eStargz no more than max bytes come: what is behind the content is of no use.
func (r *frames) open(source io.Reader, max int64) (in io.Reader, err error) {
	switch {
	case r.stargz && r.gzip == nil:
		if r.gzip, err = gzip.NewReader(source); err != nil {
			r.gzip = nil
			return nil, err
		}
		return io.LimitReader(r.gzip, max), nil
	case r.stargz:
		return io.LimitReader(r.gzip, max), r.gzip.Reset(source)
	case r.decoder == nil:
		r.decoder, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return nil, err
		}
	}
	return r.decoder, r.decoder.Reset(source)
}

// zstdWindow is the largest window that a frame may ask for, as for layers that come whole.
const zstdWindow = 128 << 20

// copy writes the content of a file to w, which has been there all the time or come by now. The error is
// errContent, marked as corrupt, if it has not the file's size and SHA-256.
func (r *frames) copy(w io.Writer, f chunked.File, p *spool.Pieces) error {
	hash := sha256.New()
	n, err := r.decode(io.MultiWriter(hash, w), f.Span, f.Size, p)
	if err != nil {
		return fmt.Errorf("%.300q: %w", f.Name, err)
	}
	if n != f.Size || [32]byte(hash.Sum(nil)) != f.SHA256 {
		return corrupt.Errorf("%w: %.300q", errContent, f.Name)
	}
	return nil
}

// decode writes what some frames decode to, and returns how many bytes that are. The error is errContent, marked as
// corrupt, if they are no frames, or decode to more bytes than max.
func (r *frames) decode(w io.Writer, s blob.Span, max int64, p *spool.Pieces) (n int64, err error) {
	if s.Len() == 0 {
		return 0, nil
	}
	source := &corrupt.Source{In: p.Open(s)}
	in, err := r.open(source, max)
	if err != nil {
		return 0, source.Errorf("%w: %w", errContent, err)
	}
	for {
		got, err := in.Read(r.buffer)
		if n += int64(got); n > max {
			return n, corrupt.Errorf("%w: more than %d bytes", errContent, max)
		}
		if _, err := w.Write(r.buffer[:got]); err != nil {
			return n, err
		}
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, source.Errorf("%w: %w", errContent, err)
		}
	}
}

// Verify verifies what was put together by an earlier run: it must have the diff ID, and all of its
// objects must be in the repository. The error is marked as corrupt, or wraps fs.ErrNotExist, if it is
// of no use.
func Verify(r *repo.Repo, f *os.File, diffID digest.Digest) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	s, err := splitstream.NewReader(f, st.Size())
	if err != nil {
		return err
	}
	defer s.Close()
	if s.Algorithm != r.Algorithm || s.ContentType != splitstream.Layer {
		return corrupt.Errorf("it is not a layer of a repository of %s", r.Algorithm)
	}
	sum := diffID.Algorithm().Hash()
	_, err = s.Join(sum, func(id verity.ID) (io.ReadCloser, error) { return r.Objects.Open(id) })
	if err != nil {
		return err
	}
	if got := digest.NewDigest(diffID.Algorithm(), sum); got != diffID {
		return corrupt.Errorf("it has the digest %s, not the diff ID %s", got, diffID)
	}
	return nil
}
