package oci

import (
	"context"
	"io"

	"cfs/lib/blob"
	"cfs/lib/corrupt"
	"cfs/lib/fd"
	"cfs/lib/layer"
	"cfs/lib/recipe"
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
	return assemble(ctx, r, streamPieces(from, s, from == r), src)
}

// ImportTarSplit stores a layer as ImportAssembly does: in is tar-split, plain or compressed by gzip or zstd, and
// the content of the files is in dirs.
func ImportTarSplit(ctx context.Context, r *repo.Repo, in io.Reader, dirs []*fd.Root, src Source) (Imported, error) {
	found, in, err := blob.Sniff(reader{ctx, in})
	if err != nil {
		return Imported{}, err
	}
	lines, err := blob.DecompressWithin(ctx, in, found, src.Windows)
	if err != nil {
		return Imported{}, err
	}
	defer lines.Close()
	return assemble(ctx, r, recipePieces(recipe.NewReader(reader{ctx, lines}, dirs)), src)
}

// assemble stores the layer whose tar the pieces are.
func assemble(ctx context.Context, r *repo.Repo, next func() (piece, error), src Source) (Imported, error) {
	diff := src.diffHash()
	a := &assembly{ctx: ctx, repo: r, next: next, hash: diff.Hash(), buffer: make([]byte, 128<<10)}
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
