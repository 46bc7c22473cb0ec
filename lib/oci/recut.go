package oci

import (
	"errors"
	"io"
	"os"

	"github.com/opencontainers/go-digest"

	"cfs/lib/corrupt"
	"cfs/lib/layer"
	"cfs/lib/repo"
	"cfs/lib/splitstream"
	"cfs/lib/verity"
)

// The reference, and earlier versions, read some tars otherwise, and so cut their streams
// in other places. Such a stream is cut anew, from its own bytes, when it is merged.

// errNotCut means that cutting a stream anew gives the same stream, or that its bytes are
// not those of the layer: then it is damaged.
var errNotCut = errors.New("is not cut otherwise")

// recut cuts the stream id of the layer with a key anew. It leaves the objects to put, and
// calls finish with the stream after its bytes have been found to have the digest that the
// key is, if it is not "". The error is errNotCut if nothing is to be gained.
func recut(r *repo.Repo, key Key, id verity.ID, put layer.Put, finish func(*splitstream.Writer) error) error {
	s, closer, err := OpenStream(r, id)
	if err != nil {
		return err
	}
	defer closer.Close()
	return recutStream(r, key, s, put, finish)
}

// recutStream is recut for a stream that is open.
func recutStream(r *repo.Repo, key Key, s *splitstream.Reader, put layer.Put, finish func(*splitstream.Writer) error) error {
	hash := digester(key)
	w, err := splitstream.NewWriter(r.Algorithm, splitstream.Layer, func() (*os.File, error) { return scratch(r) })
	if err != nil {
		return err
	}
	defer w.Close()
	tar := joined(r, s)
	defer tar.Close()
	err = layer.Split(io.TeeReader(tar, hash.Hash()), w, layer.Each(put))
	switch {
	case corrupt.Is(err), err == nil && key != "" && Key(hash.Digest()) != key:
		return errNotCut
	case err != nil:
		return err
	}
	return finish(w)
}

// joined returns the bytes of a stream as they were before it was split. Close ends the
// goroutine that joins them, and waits for it.
func joined(r *repo.Repo, s *splitstream.Reader) io.ReadCloser {
	in, out := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, err := s.Join(out, func(id verity.ID) (io.ReadCloser, error) { return r.Objects.Open(id) })
		out.CloseWithError(err)
	}()
	return joinedReader{in, done}
}

// OpenBytes opens the bytes of a stream as they were before it was split. They are not verified.
func OpenBytes(r *repo.Repo, stream verity.ID) (io.ReadCloser, error) {
	s, closer, err := OpenStream(r, stream)
	if err != nil {
		return nil, err
	}
	return bytesReader{joined(r, s), closer}, nil
}

// bytesReader is a stream that is joined, and closed after that.
type bytesReader struct {
	io.ReadCloser
	stream io.Closer
}

func (b bytesReader) Close() error { return errors.Join(b.ReadCloser.Close(), b.stream.Close()) }

type joinedReader struct {
	*io.PipeReader
	done chan struct{}
}

func (j joinedReader) Close() error {
	j.PipeReader.Close()
	<-j.done
	return nil
}

// storeCut cuts a stream anew, stores it and gives it the layer's name, durably. Who
// refers to the old one keeps it.
func storeCut(r *repo.Repo, key Key, old verity.ID) (id verity.ID, err error) {
	if err := r.Writable(); err != nil {
		return id, err
	}
	put := func(content io.Reader, size int64) (verity.ID, error) {
		id, _, err := r.Objects.Put(content, size)
		return id, err
	}
	err = recut(r, key, old, put, func(w *splitstream.Writer) error {
		id, err = storeStream(r, w)
		return err
	})
	switch {
	case err != nil:
		return id, err
	case id == old:
		return id, errNotCut
	}
	if err := r.Sync(); err != nil {
		return id, err
	}
	if err := r.Link(repo.Streams, LayerName(key), id); err != nil {
		return id, err
	}
	return id, r.SyncNames()
}

// sameBytes reports whether a stream has the bytes of the layer with a key, however it is
// cut. One that is missing or damaged has not.
func sameBytes(r *repo.Repo, key Key, id verity.ID) (bool, error) {
	got, err := digestOf(r, key, id)
	if corrupt.OrMissing(err) {
		return false, nil
	}
	return got == key, err
}

// digestOf returns the key of the layer whose bytes a stream has.
func digestOf(r *repo.Repo, like Key, id verity.ID) (Key, error) {
	s, closer, err := OpenStream(r, id)
	if err != nil {
		return "", err
	}
	defer closer.Close()
	hash := digester(like)
	_, err = s.Join(hash.Hash(), func(id verity.ID) (io.ReadCloser, error) { return r.Objects.Open(id) })
	return Key(hash.Digest()), err
}

func digester(key Key) digest.Digester {
	if key == "" {
		return digest.Canonical.Digester()
	}
	return digest.Digest(key).Algorithm().Digester()
}

// scratch returns a file without a name: in the repository, or elsewhere if nothing can be
// written there.
func scratch(r *repo.Repo) (*os.File, error) {
	if f, err := r.Objects.Temp(); err == nil {
		return f, nil
	}
	f, err := os.CreateTemp("", "cfs-stream-")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}
