package spool

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
)

// partial is a blob that is on its way: a file, and the hash of what is in it.
type partial struct {
	spool *Spool
	name  string // of the blob in the spool
	file  *os.File
	desc  v1.Descriptor
	watch Watch
	have  int64
	hash  hash.Hash
}

// verifyWhole reports whether the blob is there already under its final name. One that is
// damaged is as good as none: the right one will take its place. So is what is no file, which
// is removed. It is an error, which is marked as corrupt, if the blob has another size than
// the descriptor says.
func (p *partial) verifyWhole() (bool, error) {
	f, err := p.spool.root.OpenRegular(p.name)
	if isOdd(err) {
		return false, p.spool.root.Remove(p.name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	p.reset()
	if err := p.sum(f); err != nil {
		return false, err
	}
	switch {
	case !p.sameDigest():
		return false, nil
	case p.have != p.desc.Size:
		return false, corrupt.Errorf("it has %d bytes, not %d as its descriptor says", p.have, p.desc.Size)
	}
	p.watch(p.have)
	return true, nil
}

func (p *partial) reset() { p.have, p.hash = 0, p.desc.Digest.Algorithm().Hash() }

// sum hashes a file from its start, and counts its bytes.
func (p *partial) sum(f *os.File) (err error) {
	p.have, err = io.CopyBuffer(struct{ io.Writer }{p.hash}, f, make([]byte, 1<<20))
	return err
}

// errWrong means that what came is not the blob.
var errWrong = errors.New("not the blob")

// verify returns an error that is errWrong, and marked as corrupt, if what came is not the
// blob.
func (p *partial) verify() error {
	switch {
	case p.have != p.desc.Size:
		return corrupt.Errorf("%w: %d bytes, want %d", errWrong, p.have, p.desc.Size)
	case !p.sameDigest():
		return corrupt.Errorf("%w: its content has the digest %s:%x", errWrong, p.desc.Digest.Algorithm(), p.hash.Sum(nil))
	}
	return nil
}

func (p *partial) sameDigest() bool {
	return hex.EncodeToString(p.hash.Sum(nil)) == p.desc.Digest.Encoded()
}

// begin takes in what is there of the blob. A file that is longer than the blob is of no
// use.
func (p *partial) begin() error {
	p.reset()
	st, err := p.file.Stat()
	if err != nil {
		return err
	}
	if st.Size() > p.desc.Size {
		return p.restart()
	}
	if _, err := p.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := p.sum(p.file); err != nil {
		return err
	}
	p.watch(p.have)
	return nil
}

// restart forgets what is there.
func (p *partial) restart() error {
	p.reset()
	if err := p.file.Truncate(0); err != nil {
		return err
	}
	_, err := p.file.Seek(0, io.SeekStart)
	p.watch(0)
	return err
}

// rest gets what is missing and verifies the whole.
func (p *partial) rest(ctx context.Context, open OpenBlob) error {
	if p.have < p.desc.Size || p.desc.Size == 0 {
		in, err := open(ctx, p.desc, p.have)
		if err != nil {
			return err
		}
		if err := errors.Join(p.copy(ctx, in), in.Close()); err != nil {
			return err
		}
	}
	return p.verify()
}

// copy appends what in gives. While one chunk is written, the one before is hashed:
// a hash that lags behind is made up for by reading the file again.
func (p *partial) copy(ctx context.Context, in io.Reader) error {
	h := newHasher(p.hash)
	defer h.wait()
	var buffer []byte
	for p.have <= p.desc.Size {
		if buffer == nil {
			buffer = h.buffer()
		}
		n, err := in.Read(buffer)
		if n > 0 {
			if _, err := p.file.Write(buffer[:n]); err != nil {
				return fmt.Errorf("spool: %w", err)
			}
			p.have += int64(n)
			h.add(buffer[:n])
			buffer = nil
			p.watch(p.have)
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		}
	}
	return corrupt.Errorf("%w: longer than its %d bytes", errWrong, p.desc.Size)
}

// hasher hashes on a goroutine of its own.
type hasher struct {
	full, free chan []byte
	done       chan struct{}
}

func newHasher(h hash.Hash) *hasher {
	const buffers = 4
	a := &hasher{full: make(chan []byte, buffers), free: make(chan []byte, buffers), done: make(chan struct{})}
	for range buffers {
		a.free <- make([]byte, chunk)
	}
	go func() {
		defer close(a.done)
		for data := range a.full {
			h.Write(data)
			a.free <- data[:chunk]
		}
	}()
	return a
}

func (a *hasher) buffer() []byte  { return <-a.free }
func (a *hasher) add(data []byte) { a.full <- data }

// wait returns when all is hashed.
func (a *hasher) wait() {
	close(a.full)
	<-a.done
}
