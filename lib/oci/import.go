package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/opencontainers/go-digest"

	"cfs/lib/blob"
	"cfs/lib/corrupt"
	"cfs/lib/layer"
	"cfs/lib/objects"
	"cfs/lib/repo"
	"cfs/lib/splitstream"
	"cfs/lib/tolerance"
	"cfs/lib/verity"
)

// Source says what a blob that is to be imported must be. What is empty, or a
// negative size, is found out instead. Rules have what was tolerated of it then. Windows
// bound the memory that it shares with layers which are imported at the same time.
type Source struct {
	Digest digest.Digest
	Size   int64
	DiffID digest.Digest // of a layer: the digest of the uncompressed tar
	Rules  *tolerance.Rules

	Windows *blob.Windows
}

// Imported is what became of a blob.
type Imported struct {
	Source                     // with all found out
	Stream           verity.ID // its splitstream, stored, not yet durable, without a name
	New, Present     int64     // objects for files, and how many of them were there
	NewBytes, Inline int64     // of the new objects, and in the stream itself
}

// ImportLayer reads a layer, stores its files as objects, and it as a splitstream,
// after everything that src says was found to be true. said is how it is compressed by its
// media type, "" if that does not say: its bytes decide. Between two reads it ends with
// ctx; nothing works in r when it has returned.
func ImportLayer(ctx context.Context, r *repo.Repo, in io.Reader, said blob.Compression, src Source) (Imported, error) {
	raw, finish, err := src.check(reader{ctx, in})
	if err != nil {
		return Imported{}, err
	}
	tar, err := decompress(ctx, raw, said, src)
	if err != nil {
		return Imported{}, err
	}
	defer tar.Close()
	done, stream, err := src.importTar(ctx, r, tar)
	if err != nil {
		return Imported{}, err
	}
	defer stream.Close()
	if done.Digest, done.Size, err = finish(); err != nil {
		return Imported{}, err
	}
	return done.store(r, stream)
}

// importTar stores the files of a tar. What it returns is stored after the blob has been verified, and
// must be closed.
func (src Source) importTar(ctx context.Context, r *repo.Repo, tar io.Reader) (*Imported, *tarStream, error) {
	hash := src.diffHash()
	// A few bytes of a blob can become a tar that takes hours.
	hashed := blob.Ahead(reader{ctx, tar}, hash.Hash())
	defer hashed.Close()
	done := &Imported{Source: src}
	stream, err := done.split(r, hashed, new(counts))
	if err != nil {
		return nil, nil, err
	}
	return done, &tarStream{stream, hash}, nil
}

// diffHash returns the hash of a tar's diff ID.
func (src Source) diffHash() digest.Digester {
	if src.DiffID == "" {
		return digest.Canonical.Digester()
	}
	return src.DiffID.Algorithm().Digester()
}

// tarStream is the splitstream of a tar, and the hash of the tar.
type tarStream struct {
	*splitstream.Writer
	hash digest.Digester
}

// store stores the stream, if the tar has the diff ID.
func (done *Imported) store(r *repo.Repo, s *tarStream) (_ Imported, err error) {
	if done.DiffID, err = done.sameDiffID(s.hash.Digest()); err != nil {
		return Imported{}, err
	}
	done.Stream, err = storeStream(r, s.Writer)
	return *done, err
}

// split splits a tar into objects, which are stored and counted, and a stream.
func (done *Imported) split(r *repo.Repo, tar io.Reader, c *counts) (*splitstream.Writer, error) {
	w, err := splitstream.NewWriter(r.Algorithm, splitstream.Layer, r.Objects.Temp)
	if err != nil {
		return nil, err
	}
	if err := layer.Split(tar, w, c.store(r.Objects)); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	done.New, done.Present, done.NewBytes = c.fresh.Load(), c.present.Load(), c.bytes.Load()
	done.Inline = int64(w.Size()) - c.external.Load()
	return w, nil
}

// counts is what became of the files of a layer.
type counts struct{ fresh, present, bytes, external atomic.Int64 }

func (c *counts) add(size int64, stored bool) {
	c.external.Add(size)
	if stored {
		c.fresh.Add(1)
		c.bytes.Add(size)
	} else {
		c.present.Add(1)
	}
}

// store stores files as objects, and counts them.
func (c *counts) store(s *objects.Store) layer.Store {
	small := func(contents [][]byte) ([]verity.ID, error) {
		ids, stored, err := s.PutAll(contents)
		for i, now := range stored {
			c.add(int64(len(contents[i])), now)
		}
		return ids, err
	}
	large := func(content io.Reader, size int64) (verity.ID, error) {
		o, err := s.NewObject()
		if err != nil {
			return verity.ID{}, err
		}
		defer o.Discard()
		if _, err := io.Copy(o, content); err != nil {
			return verity.ID{}, err
		}
		id, stored, err := o.Commit()
		if err == nil {
			c.add(size, stored)
		}
		return id, err
	}
	return layer.Store{Small: small, Large: large}
}

// ImportBlob reads a blob that is no tar and stores it as one object and a
// splitstream that refers to it. It ends with ctx as ImportLayer does.
func ImportBlob(ctx context.Context, r *repo.Repo, in io.Reader, src Source) (Imported, error) {
	raw, finish, err := src.check(reader{ctx, in})
	if err != nil {
		return Imported{}, err
	}
	o, err := r.Objects.NewObject()
	if err != nil {
		return Imported{}, err
	}
	defer o.Discard()
	if _, err := io.Copy(o, raw); err != nil {
		return Imported{}, err
	}
	done := Imported{Source: src}
	if done.Digest, done.Size, err = finish(); err != nil {
		return Imported{}, err
	}
	id, stored, err := o.Commit()
	if err != nil {
		return Imported{}, err
	}
	if stored {
		done.New, done.NewBytes = 1, done.Size
	} else {
		done.Present = 1
	}
	w, err := splitstream.NewWriter(r.Algorithm, splitstream.Blob, r.Objects.Temp)
	if err != nil {
		return Imported{}, err
	}
	defer w.Close()
	if err := w.WriteObject(id, uint64(done.Size)); err != nil {
		return Imported{}, err
	}
	done.Stream, err = storeStream(r, w)
	return done, err
}

// check returns a reader of in that fails if it is not what src says, and a
// function that reads what is left and tells digest and size.
func (src Source) check(in io.Reader) (io.Reader, func() (digest.Digest, int64, error), error) {
	if src.Digest != "" {
		raw, err := blob.NewReader(in, src.Digest, src.Size)
		if err != nil {
			return nil, nil, err
		}
		return raw, func() (digest.Digest, int64, error) {
			err := raw.Drain()
			return src.Digest, raw.Size(), err
		}, nil
	}
	hash := digest.Canonical.Digester()
	counted := &counter{in: io.TeeReader(in, hash.Hash())}
	finish := func() (digest.Digest, int64, error) {
		_, err := io.Copy(io.Discard, counted)
		if err == nil && src.Size >= 0 && src.Size != counted.n {
			err = corrupt.Errorf("blob has %d bytes, want %d", counted.n, src.Size)
		}
		return hash.Digest(), counted.n, err
	}
	return counted, finish, nil
}

// reader is a reader that ends with a context.
type reader struct {
	ctx context.Context
	in  io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.in.Read(p)
}

// counter counts the bytes of a reader.
type counter struct {
	in io.Reader
	n  int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.n += int64(n)
	return n, err
}

func (src Source) sameDiffID(got digest.Digest) (digest.Digest, error) {
	if src.DiffID != "" && got != src.DiffID {
		return "", corrupt.Errorf("the uncompressed tar has the digest %s, the config has the diff ID %s", got, src.DiffID)
	}
	return got, nil
}

func storeStream(r *repo.Repo, w *splitstream.Writer) (verity.ID, error) {
	o, err := r.Objects.NewObject()
	if err != nil {
		return verity.ID{}, err
	}
	defer o.Discard()
	if err := w.Finish(o); err != nil {
		return verity.ID{}, fmt.Errorf("splitstream: %w", err)
	}
	id, _, err := o.Commit()
	return id, err
}
