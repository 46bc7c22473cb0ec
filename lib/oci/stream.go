package oci

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"cfs/lib/blob"
	"cfs/lib/corrupt"
	"cfs/lib/repo"
	"cfs/lib/splitstream"
	"cfs/lib/verity"
)

// document is a splitstream whose whole content is one object, JSON.
type document struct {
	ID   verity.ID // of the stream
	JSON []byte
	refs []splitstream.Ref // sorted by name
}

// hasRefs reports whether the document, if there is one, has all of refs.
func (d *document) hasRefs(refs []splitstream.Ref) bool {
	return d != nil && !slices.ContainsFunc(refs, func(ref splitstream.Ref) bool { return !slices.Contains(d.refs, ref) })
}

// OpenStream opens a splitstream of the repository. Close must be called.
func OpenStream(r *repo.Repo, id verity.ID) (*splitstream.Reader, io.Closer, error) {
	f, err := r.Objects.Open(id)
	if err != nil {
		return nil, nil, err
	}
	s, err := splitstream.NewReader(f, f.Size())
	if err == nil && s.Algorithm != r.Algorithm {
		s.Close()
		err = otherAlgorithm(s.Info, r)
	}
	if err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("stream %s: %w", id, err)
	}
	return s, closer{s, f}, nil
}

// Stored returns the stream of the layer with a key, which must be that of a tar if tar
// is set. The error wraps fs.ErrNotExist if there is none, or one of another type: the
// blob of an artifact may have the key of a container's layer. It is marked as corrupt
// if, as far as is seen without reading it, it is not what it should be. Either way
// it is to be stored again.
func Stored(r *repo.Repo, key Key, tar bool) (verity.ID, error) {
	return storedAs(r, LayerName(key), tar)
}

// StoredBlob is Stored for a blob of a referrer.
func StoredBlob(r *repo.Repo, d digest.Digest) (verity.ID, error) {
	return storedAs(r, BlobName(d), false)
}

func storedAs(r *repo.Repo, name string, tar bool) (verity.ID, error) {
	id, err := r.Lookup(repo.Streams, name)
	if err != nil {
		return verity.ID{}, err
	}
	typ, err := typeOf(r, id)
	if err != nil {
		return verity.ID{}, err
	}
	if tar && typ != splitstream.Layer {
		err = fmt.Errorf("stream %s is of type %q: tar %w", id, typ, fs.ErrNotExist)
	}
	return id, err
}

// typeOf returns the type of a stream, from its head.
func typeOf(r *repo.Repo, id verity.ID) (splitstream.ContentType, error) {
	f, err := r.Objects.Open(id)
	if err != nil {
		return 0, err
	}
	info, err := splitstream.ReadInfo(f, f.Size())
	if err == nil && info.Algorithm != r.Algorithm {
		err = otherAlgorithm(info, r)
	}
	if err != nil {
		err = fmt.Errorf("stream %s: %w", id, err)
	}
	return info.ContentType, errors.Join(err, f.Close())
}

func otherAlgorithm(info splitstream.Info, r *repo.Repo) error {
	return corrupt.Errorf("splitstream of %s in a repository of %s", info.Algorithm, r.Algorithm)
}

type closer struct {
	s *splitstream.Reader
	f io.Closer
}

func (c closer) Close() error {
	c.s.Close()
	return c.f.Close()
}

// readDocument opens the stream id, which must be of type typ.
func readDocument(r *repo.Repo, id verity.ID, typ splitstream.ContentType) (*document, error) {
	s, closer, err := OpenStream(r, id)
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	if s.ContentType != typ {
		return nil, corrupt.Errorf("stream %s is of type %q, want %q", id, s.ContentType, typ)
	}
	object, _, err := s.Next()
	if err == nil {
		_, _, err = s.Next()
	}
	if err != nil && err != io.EOF && !corrupt.Is(err) {
		return nil, fmt.Errorf("stream %s: %w", id, err)
	}
	if err != io.EOF || object.IsZero() || len(s.Objects) != 1 {
		return nil, corrupt.Errorf("stream %s does not consist of one object", id)
	}
	text, err := r.Objects.Read(object, blob.MaxJSON)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", id, err)
	}
	return &document{ID: id, JSON: text, refs: s.Refs}, nil
}

// JSONObject returns the object whose content is the JSON of a manifest or a config, by the ID of its stream.
func JSONObject(r *repo.Repo, stream verity.ID) (verity.ID, error) {
	s, closer, err := OpenStream(r, stream)
	if err != nil {
		return verity.ID{}, err
	}
	defer closer.Close()
	if len(s.Objects) != 1 {
		return verity.ID{}, corrupt.Errorf("stream %s refers to %d objects, not to one", stream, len(s.Objects))
	}
	return s.Objects[0], nil
}

// writeDocument stores JSON and the stream of it, with refs in the order in which
// their targets are to stand. If old is the same but for that order, it stays. The
// stream has no name yet, and is not durable.
func writeDocument(r *repo.Repo, typ splitstream.ContentType, text []byte, refs []splitstream.Ref, old *document) (verity.ID, error) {
	if old != nil && bytes.Equal(old.JSON, text) && sameRefs(old.refs, refs) {
		return old.ID, nil
	}
	object, _, err := r.Objects.PutBytes(text)
	if err != nil {
		return verity.ID{}, err
	}
	w, err := splitstream.NewWriter(r.Algorithm, typ, r.Objects.Temp)
	if err != nil {
		return verity.ID{}, err
	}
	defer w.Close()
	for _, ref := range refs {
		w.AddRef(ref.Name, ref.ID)
	}
	if err := w.WriteObject(object, uint64(len(text))); err != nil {
		return verity.ID{}, err
	}
	var file bytes.Buffer
	if err := w.Finish(&file); err != nil {
		return verity.ID{}, err
	}
	id, _, err := r.Objects.PutBytes(file.Bytes())
	return id, err
}

func sameRefs(a, b []splitstream.Ref) bool {
	byName := func(a, b splitstream.Ref) int { return strings.Compare(a.Name, b.Name) }
	return slices.Equal(slices.SortedFunc(slices.Values(a), byName), slices.SortedFunc(slices.Values(b), byName))
}
