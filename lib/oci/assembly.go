package oci

import (
	"context"
	"errors"
	"hash"
	"io"

	"cfs/lib/corrupt"
	"cfs/lib/layer"
	"cfs/lib/objects"
	"cfs/lib/repo"
	"cfs/lib/splitstream"
	"cfs/lib/verity"
)

// ImportAssembly stores a layer as ImportLayer does that was put together: in is the file of a splitstream of its
// tar, whose objects are those of the repository from, which may be r. Digest and size of the blob are taken as src
// says them, and what proves the bytes is the diff ID, which it must have. Files of another repository are
// stored anew, and share their blocks with it where the file system can do that. The error wraps
// fs.ErrNotExist if an object is missing.
func ImportAssembly(ctx context.Context, r, from *repo.Repo, in io.ReaderAt, size int64, src Source) (Imported, error) {
	s, err := openAssembly(from, in, size)
	if err != nil {
		return Imported{}, err
	}
	defer s.Close()
	if s.ContentType != splitstream.Layer {
		return Imported{}, corrupt.Errorf("splitstream of type %q is not a layer", s.ContentType)
	}
	diff := src.diffHash()
	a := &assembly{ctx: ctx, repo: r, from: from, stream: s, hash: diff.Hash(), buffer: make([]byte, 128<<10)}
	defer a.close()
	done := &Imported{Source: src}
	w, err := done.split(r, a, &a.counts)
	if err != nil {
		return Imported{}, err
	}
	defer w.Close()
	return done.store(r, &tarStream{w, diff})
}

// ImportBlobAssembly stores a blob as ImportBlob does: in is the file of a splitstream of it, whose objects are
// those of the repository from. The error wraps fs.ErrNotExist if an object is missing.
func ImportBlobAssembly(ctx context.Context, r, from *repo.Repo, in io.ReaderAt, size int64, src Source) (Imported, error) {
	s, err := openAssembly(from, in, size)
	if err != nil {
		return Imported{}, err
	}
	defer s.Close()
	all := joined(from, s)
	defer all.Close()
	return ImportBlob(ctx, r, all, src)
}

// openAssembly opens a splitstream whose objects are those of a repository.
func openAssembly(from *repo.Repo, in io.ReaderAt, size int64) (*splitstream.Reader, error) {
	s, err := splitstream.NewReader(in, size)
	if err == nil && s.Algorithm != from.Algorithm {
		s.Close()
		return nil, otherAlgorithm(s.Info, from)
	}
	return s, err
}

// ReadAssembly has do read the members of a layer that was put together, whose objects are those of the repository. Nothing
// is stored.
func ReadAssembly(r *repo.Repo, s *splitstream.Reader, do func(*layer.Reader) error) error {
	put := func(content io.Reader, _ int64) (verity.ID, error) {
		id, _, err := r.Algorithm.SumReader(content)
		return id, err
	}
	return recutStream(r, "", s, put, func(w *splitstream.Writer) error {
		f, err := scratch(r)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := w.Finish(f); err != nil {
			return err
		}
		st, err := f.Stat()
		if err != nil {
			return err
		}
		cut, err := splitstream.NewReader(f, st.Size())
		if err != nil {
			return err
		}
		defer cut.Close()
		l, err := layer.NewReader(cut)
		if err != nil {
			return err
		}
		return do(l)
	})
}

// assembly is the tar of a splitstream, which is hashed as it is read. What is a file there and an object of the
// repository is not stored again: its bytes are proved by the diff ID as all others are, and its digest
// by the name that it has. The name of an object of another repository proves nothing.
type assembly struct {
	ctx    context.Context
	repo   *repo.Repo
	from   *repo.Repo // that has the objects
	whole  bool       // files of from cannot be cloned, and are read as bytes
	stream *splitstream.Reader
	hash   hash.Hash
	object *objects.File // that is being read, nil for literal bytes
	id     verity.ID     // of it
	fresh  bool          // nothing of it was read yet
	counts counts
	buffer []byte
}

// advance goes to the next literal byte or object, if it is not there already.
func (a *assembly) advance() (err error) {
	if err := a.ctx.Err(); err != nil {
		return err
	}
	for a.object == nil && a.stream.Literal() == 0 {
		if a.id, _, err = a.stream.Next(); err != nil {
			return err
		}
		if !a.id.IsZero() {
			a.object, err = a.from.Objects.Open(a.id)
			a.fresh = true
			return err
		}
	}
	return nil
}

func (a *assembly) Read(p []byte) (n int, err error) {
	for n == 0 && len(p) > 0 {
		if err := a.advance(); err != nil {
			return 0, err
		}
		if a.object == nil {
			n, err = a.stream.Read(p)
		} else {
			a.fresh = false
			n, err = a.object.Read(p)
		}
		a.hash.Write(p[:n])
		if err == io.EOF {
			err = a.close()
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// TakeObject implements layer.Objects.
func (a *assembly) TakeObject(size int64) (verity.ID, error) {
	if err := a.advance(); err != nil {
		return verity.ID{}, corrupt.UnexpectedEOF(err)
	}
	if a.object == nil || !a.fresh || a.object.Size() != size {
		return verity.ID{}, nil
	}
	if a.from != a.repo {
		return a.clone(size)
	}
	for left := size; ; {
		if err := a.ctx.Err(); err != nil {
			return verity.ID{}, err
		}
		n, err := a.object.Read(a.buffer)
		a.hash.Write(a.buffer[:n])
		left -= int64(n)
		if err == io.EOF {
			if left != 0 {
				return verity.ID{}, corrupt.Errorf("object %s had %d bytes, and has others now", a.id, size)
			}
			break
		}
		if err != nil {
			return verity.ID{}, err
		}
	}
	a.counts.add(size, false)
	return a.id, a.close()
}

// clone stores the object of another repository, which shares its blocks then. If it cannot, the result is zero, and
// nothing was read.
func (a *assembly) clone(size int64) (verity.ID, error) {
	if a.whole {
		return verity.ID{}, nil
	}
	id, stored, err := a.repo.Objects.Clone(a.object.File(), size, a.hash)
	if errors.Is(err, objects.ErrNoClone) {
		a.whole = true
		return verity.ID{}, nil
	}
	if err != nil {
		return verity.ID{}, err
	}
	a.counts.add(size, stored)
	return id, a.close()
}

// close ends the object that is being read.
func (a *assembly) close() error {
	if a.object == nil {
		return nil
	}
	f := a.object
	a.object = nil
	return f.Close()
}
