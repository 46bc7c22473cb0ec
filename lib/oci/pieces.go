package oci

import (
	"bytes"
	"context"
	"errors"
	"hash"
	"io"
	"os"

	"cfs/lib/corrupt"
	"cfs/lib/objects"
	"cfs/lib/recipe"
	"cfs/lib/repo"
	"cfs/lib/splitstream"
	"cfs/lib/verity"
)

// piece is a part of a tar: literal bytes, or a whole file.
type piece struct {
	in   io.Reader
	left int64         // bytes of in that were not read
	file io.ReadCloser // in, if that is a file
	raw  *os.File      // the same
	size int64         // of the file
	id   verity.ID     // of the file, if it is an object of the repository into which the tar goes

	sum   io.Writer    // also gets the content of the file, may be nil
	check func() error // is called at the end of the file, may be nil
}

// streamPieces returns the pieces of a splitstream whose objects are those of a repository; own is set if the tar
// goes into that one.
func streamPieces(from *repo.Repo, s *splitstream.Reader, own bool) func() (piece, error) {
	return func() (piece, error) {
		id, n, err := s.Next()
		if err != nil {
			return piece{}, err
		}
		if id.IsZero() {
			return piece{in: s, left: int64(n)}, nil
		}
		f, err := from.Objects.Open(id)
		if err != nil {
			return piece{}, err
		}
		p := piece{in: f, left: f.Size(), file: f, raw: f.File(), size: f.Size()}
		if own {
			p.id = id
		}
		return p, nil
	}
}

// recipePieces returns the pieces of a recipe.
func recipePieces(r *recipe.Reader) func() (piece, error) {
	return func() (piece, error) {
		next, err := r.Next()
		if err != nil {
			return piece{}, err
		}
		if f := next.File; f != nil {
			return piece{in: f.File, left: f.Size, file: f.File, raw: f.File, size: f.Size, sum: f.Sum(), check: f.Check}, nil
		}
		return piece{in: bytes.NewReader(next.Bytes), left: int64(len(next.Bytes))}, nil
	}
}

// close ends the use of a piece.
func (p *piece) close() error {
	if p.file == nil {
		return nil
	}
	return p.file.Close()
}

// assembly is the tar of pieces, which is hashed as it is read. What is a file there and an object of the
// repository is not stored again: its bytes are proved by the diff ID as all others are, and its digest
// by the name that it has. Of any other file only its bytes count, as they were stored.
type assembly struct {
	ctx    context.Context
	repo   *repo.Repo
	next   func() (piece, error)
	hash   hash.Hash
	piece  piece // that is being read
	counts counts
	buffer []byte
	whole  bool // files cannot be cloned, and are read as bytes
}

// advance goes to the next byte, if there are no more in the piece. What is wrong with a file that was read is said
// here: an error that came with its last bytes might be lost.
func (a *assembly) advance() error {
	for a.piece.left == 0 {
		if err := a.ctx.Err(); err != nil {
			return err
		}
		if err := a.close(); err != nil {
			return err
		}
		p, err := a.next()
		if err != nil {
			return err
		}
		a.piece = p
	}
	return a.ctx.Err()
}

func (a *assembly) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := a.advance(); err != nil {
		return 0, err
	}
	n, err = a.piece.in.Read(p[:min(int64(len(p)), a.piece.left)])
	a.took(p[:n])
	switch {
	case err == io.EOF && a.piece.left > 0:
		return n, a.short()
	case err == io.EOF:
		err = nil
	}
	return n, err
}

// took gives bytes of the piece to the hashes.
func (a *assembly) took(p []byte) {
	a.piece.left -= int64(len(p))
	a.hash.Write(p)
	if a.piece.sum != nil {
		a.piece.sum.Write(p)
	}
}

// short is the error about a file that has become shorter since it was opened.
func (a *assembly) short() error {
	if a.piece.raw == nil {
		return io.ErrUnexpectedEOF
	}
	return corrupt.Errorf("file %s had %d bytes, and has fewer now", a.piece.raw.Name(), a.piece.size)
}

// TakeObject implements layer.Objects.
func (a *assembly) TakeObject(size int64) (verity.ID, error) {
	if err := a.advance(); err != nil {
		return verity.ID{}, corrupt.UnexpectedEOF(err)
	}
	p := &a.piece
	switch {
	case p.file == nil || p.left != p.size || p.size != size:
		return verity.ID{}, nil
	case p.id.IsZero():
		return a.clone()
	}
	id := p.id
	for p.left > 0 {
		if _, err := a.Read(a.buffer); err != nil {
			return verity.ID{}, err
		}
	}
	a.counts.add(size, false)
	return id, nil
}

// clone stores a file as an object, which shares its blocks. If it cannot, the result is zero, and nothing was read.
func (a *assembly) clone() (verity.ID, error) {
	if a.whole {
		return verity.ID{}, nil
	}
	var hashes io.Writer = a.hash
	if a.piece.sum != nil {
		hashes = io.MultiWriter(a.hash, a.piece.sum)
	}
	id, stored, err := a.repo.Objects.Clone(a.piece.raw, a.piece.size, hashes)
	if errors.Is(err, objects.ErrNoClone) {
		a.whole = true
		return verity.ID{}, nil
	}
	if err != nil {
		return verity.ID{}, err
	}
	a.counts.add(a.piece.size, stored)
	a.piece.left = 0
	return id, a.close()
}

// close ends the piece that is being read, and checks a file of which all was read.
func (a *assembly) close() (err error) {
	p := a.piece
	a.piece = piece{}
	if p.check != nil && p.left == 0 {
		err = p.check()
	}
	return errors.Join(err, p.close())
}
