package chunked

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"

	"cfs/lib/blob"
	"cfs/lib/corrupt"
	"cfs/lib/tarsplit"
)

// File is a regular file with content, as the TOC tells it.
type File struct {
	blob.Span          // whole zstd frames, which decode to the content
	Size      int64    // of the content in bytes
	SHA256    [32]byte // of the content
	Name      string   // to look for by; names can be mangled
	Modified  int64    // in seconds since 1970, to look for by
}

const (
	maxFiles   = 1_000_000
	maxEntries = 4_000_000
	maxName    = 4096
	maxEntry   = 8 << 20  // bytes of JSON for one entry
	maxWindow  = 32 << 20 // of a frame of TOC or tar-split
)

// ReadTOC reads the TOC from in, which gives its compressed bytes. The files come in the order of
// the tar, and their parts of the blob one behind the other. The digest of the tar-split is known
// after it. The error is marked as corrupt if the TOC is not what it should be; errors of in come as
// they are. Memory is bounded by the number of files, at most a million.
func (l *Layer) ReadTOC(in io.Reader) (files []File, err error) {
	if l.IsStargz() {
		return l.readStargz(in)
	}
	err = l.TOC.read(in, func(in io.Reader) error {
		t := toc{end: l.Tail().Start}
		if err := t.read(in); err != nil {
			return err
		}
		files = t.files
		if !l.HasTarSplit() {
			return nil
		}
		if l.TarSplit.Digest, err = tarSplitDigest(t.TarSplitDigest, l.TarSplit.Digest); err != nil {
			return corrupt.Errorf("tarSplitDigest: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("table of contents: %w", err)
	}
	return files, nil
}

// tarSplitDigest returns the digest of the tar-split: that which the TOC says, else the annotation.
func tarSplitDigest(inTOC string, annotated digest.Digest) (digest.Digest, error) {
	if inTOC != "" {
		return checksum(inTOC)
	}
	if annotated == "" {
		return "", errors.New("the digest of the tar-split is missing")
	}
	return annotated, nil
}

// ReadTarSplit reads the tar-split from in, which gives its compressed bytes, after the TOC, and calls do, which may be nil, with each item.
// file is the number of the file in files whose content comes here, -1 for all else. The error is
// marked as corrupt if the tar-split is not what it should be, or has other files than the TOC.
func (l *Layer) ReadTarSplit(in io.Reader, files []File, do func(i tarsplit.Item, file int) error) error {
	err := l.TarSplit.read(in, func(in io.Reader) error {
		r, next := tarsplit.NewReader(in), 0
		r.Brief = do == nil
		for {
			i, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
			file := -1
			if i.Size > 0 {
				if next == len(files) || files[next].Size != i.Size {
					return corrupt.Errorf("its file %d, %.300q of %d bytes, is not that of the table of contents", next, i.Name, i.Size)
				}
				file = next
				next++
			}
			if do == nil {
				continue
			}
			if err := do(i, file); err != nil {
				return err
			}
		}
		if next != len(files) {
			return corrupt.Errorf("it has %d files with content, the table of contents %d", next, len(files))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("tar-split: %w", err)
	}
	return nil
}

// read decodes a table for do to read, and verifies its digest and length. An error of in is not marked
// as corrupt.
func (t *Table) read(in io.Reader, do func(io.Reader) error) error {
	hash := digest.SHA256.Digester()
	source := &corrupt.Source{In: io.TeeReader(io.LimitReader(in, t.Len()), hash.Hash())}
	decoder, err := zstd.NewReader(source, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return err
	}
	defer decoder.Close()
	plain := &exactly{in: decoder, source: source, left: t.Plain}
	if err := do(plain); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, plain); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, source); err != nil {
		return err
	}
	if got := hash.Digest(); t.Digest != "" && got != t.Digest {
		return corrupt.Errorf("it has the digest %s, want %s", got, t.Digest)
	}
	return nil
}

// exactly reads what a decoder gives, and fails unless that is as many bytes as were announced.
type exactly struct {
	in     io.Reader
	source *corrupt.Source
	left   int64
}

func (e *exactly) Read(p []byte) (int, error) {
	n, err := e.in.Read(p[:min(int64(len(p)), e.left+1)])
	e.left -= int64(n)
	switch {
	case e.left < 0:
		return 0, corrupt.Errorf("it decodes to more bytes than announced")
	case err == io.EOF && e.left > 0:
		return n, corrupt.Errorf("it decodes to %d bytes fewer than announced", e.left)
	case err != nil && err != io.EOF:
		return n, e.source.Errorf("%w", err)
	}
	return n, err
}

// toc reads the JSON of a TOC.
type toc struct {
	end   int64 // of the part of the blob that content can lie in
	files []File
	each  func(j *json.Decoder) error // reads an entry in another way; may be nil

	Version        int
	TarSplitDigest string
}

// entry is what is read of an entry. All else, names but for looking for them too, is taken from
// the tar's headers in the tar-split.
type entry struct {
	Type   string `json:"type"`
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	Digest string `json:"digest"`
	Offset int64  `json:"offset"`
	End    int64  `json:"endOffset"`

	Modified string `json:"modtime"` // RFC 3339
}

func (t *toc) read(in io.Reader) error {
	source := &corrupt.Source{In: in}
	b := &bounded{in: source, left: maxEntry}
	j := json.NewDecoder(b)
	err := t.object(j, b)
	if err == nil {
		if _, err = j.Token(); err == nil {
			err = errors.New("more than one value")
		}
	}
	if err != io.EOF {
		return source.Errorf("%w", corrupt.UnexpectedEOF(err))
	}
	if t.Version != 1 {
		return corrupt.Errorf("version %d is not supported", t.Version)
	}
	return nil
}

// object reads the only object.
func (t *toc) object(j *json.Decoder, b *bounded) error {
	if err := delimiter(j, '{'); err != nil {
		return err
	}
	for j.More() {
		b.next(j)
		key, err := j.Token()
		if err != nil {
			return err
		}
		switch key {
		case "version":
			err = j.Decode(&t.Version)
		case "tarSplitDigest":
			err = j.Decode(&t.TarSplitDigest)
		case "entries":
			err = t.entries(j, b)
		default:
			err = j.Decode(new(json.RawMessage))
		}
		if err != nil {
			return err
		}
	}
	return delimiter(j, '}')
}

// delimiter reads a delimiter.
func delimiter(j *json.Decoder, want json.Delim) error {
	t, err := j.Token()
	if err == nil && t != want {
		err = fmt.Errorf("%.100q where %s is expected", fmt.Sprint(t), want)
	}
	return corrupt.UnexpectedEOF(err)
}

func (t *toc) entries(j *json.Decoder, b *bounded) error {
	if err := delimiter(j, '['); err != nil {
		return err
	}
	for n := 0; j.More(); n++ {
		if n == maxEntries {
			return corrupt.Errorf("more than %d entries", maxEntries)
		}
		b.next(j)
		if err := t.entry(j); err != nil {
			return err
		}
	}
	return delimiter(j, ']')
}

// entry reads one entry.
func (t *toc) entry(j *json.Decoder) error {
	if t.each != nil {
		return t.each(j)
	}
	var e entry
	if err := j.Decode(&e); err != nil {
		return err
	}
	return t.add(e)
}

// add takes in an entry.
func (t *toc) add(e entry) error {
	if e.Type != "reg" || e.Size == 0 && e.Offset == 0 && e.End == 0 {
		return nil
	}
	f := File{Span: blob.Span{Start: e.Offset, End: e.End}, Size: e.Size, Name: strings.Clone(e.Name)}
	after := int64(1) // a header comes first
	if len(t.files) > 0 {
		after = t.files[len(t.files)-1].End
	}
	sum, err := hex.DecodeString(strings.TrimPrefix(e.Digest, "sha256:"))
	switch {
	case len(t.files) == maxFiles:
		return corrupt.Errorf("more than %d files", maxFiles)
	case len(e.Name) > maxName:
		return corrupt.Errorf("a name of %d bytes", len(e.Name))
	case f.Size <= 0:
		return corrupt.Errorf("%.300q has %d bytes", f.Name, f.Size)
	case f.Start < after || f.End <= f.Start || f.End > t.end:
		return corrupt.Errorf("%.300q at [%d, %d) does not lie between %d and %d", f.Name, f.Start, f.End, after, t.end)
	case err != nil || len(sum) != len(f.SHA256) || !strings.HasPrefix(e.Digest, "sha256:"):
		return corrupt.Errorf("%.300q: %.100q is no SHA-256", f.Name, e.Digest)
	}
	copy(f.SHA256[:], sum)
	if modified, err := time.Parse(time.RFC3339, e.Modified); err == nil {
		f.Modified = modified.Unix()
	}
	t.files = append(t.files, f)
	return nil
}

// bounded bounds how far a decoder reads for one value, which it keeps in memory.
type bounded struct {
	in   io.Reader
	read int64 // bytes
	left int64 // until it is too much
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, corrupt.Errorf("a value of more than %d bytes", maxEntry)
	}
	n, err := b.in.Read(p[:min(int64(len(p)), b.left)])
	b.read += int64(n)
	b.left -= int64(n)
	return n, err
}

// next begins another value: what the decoder has read ahead counts for it.
func (b *bounded) next(j *json.Decoder) { b.left = maxEntry - (b.read - j.InputOffset()) }
