package objects

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"cfs/lib/corrupt"
	"cfs/lib/fd"
	"cfs/lib/verity"
)

// Put stores the next size bytes of in as an object and returns its digest, and whether
// it was stored now. An existing object is left alone if it is right, and replaced if it
// is not: no regular file, of another size, or in a secure store not protected as it
// should be. The error is io.ErrUnexpectedEOF if in ends before. What was stored is
// durable after the next Sync.
func (s *Store) Put(in io.Reader, size int64) (id verity.ID, stored bool, err error) {
	if size > verity.Small {
		return s.putLarge(in, size)
	}
	b := take(&s.buffers.small, verity.Small)
	defer s.buffers.small.Put(b)
	data := (*b)[:size]
	if _, err := io.ReadFull(in, data); err != nil {
		return verity.ID{}, false, corrupt.UnexpectedEOF(err)
	}
	return s.PutBytes(data)
}

// PutBytes is Put for content in memory.
func (s *Store) PutBytes(data []byte) (id verity.ID, stored bool, err error) {
	id = s.sum(data)
	stored, err = s.putSummed(data, id)
	return id, stored, err
}

// PutAll is Put for several contents in memory, whose digests are computed together, which
// is faster. Besides an error it returns the digests of the contents before the one that
// failed, and which of them were stored now.
func (s *Store) PutAll(contents [][]byte) (ids []verity.ID, stored []bool, err error) {
	ids = s.config.Algorithm.SumAll(contents)
	for i, data := range contents {
		now, err := s.putSummed(data, ids[i])
		if err != nil {
			return ids[:i], stored, err
		}
		stored = append(stored, now)
	}
	return ids, stored, nil
}

// putSummed stores content that has the digest id.
func (s *Store) putSummed(data []byte, id verity.ID) (stored bool, err error) {
	there, err := s.present(id, int64(len(data)))
	if err != nil || there == right {
		return false, err
	}
	t, err := s.newObjectTemp(s.folder(id))
	if err != nil {
		return false, err
	}
	defer t.discard()
	if _, err := t.file.Write(data); err != nil {
		return false, s.failWrite(err)
	}
	return true, s.name(t, id, there)
}

// PutFile is Put for a whole file of size bytes, read from its start by in, and open for
// reading as the descriptor from. If it is large and the file system can do that, the
// object shares its blocks.
func (s *Store) PutFile(in io.Reader, from int, size int64) (id verity.ID, stored bool, err error) {
	if size <= verity.Small || s.noClone.Load() {
		return s.Put(in, size)
	}
	o, err := s.NewObject()
	if err != nil {
		return verity.ID{}, false, err
	}
	defer o.Discard()
	if o.temp.clone(from) != nil {
		s.noClone.Store(true) // or not from there: nothing is lost but speed
		return o.put(in, size)
	}
	// Hashed is what nobody else can change any more: the name must be true whatever
	// happens to the file meanwhile.
	if o.size, err = s.hashFile(o.hash, o.temp.file); err != nil {
		return verity.ID{}, false, err
	}
	if o.size != size {
		return verity.ID{}, false, io.ErrUnexpectedEOF
	}
	return o.Commit()
}

// ErrNoClone means that the file system cannot have a file share the blocks of another one.
var ErrNoClone = errors.New("blocks cannot be shared")

// Clone is Put for a whole file of size bytes, with which the object shares its blocks. What is hashed, also by
// second, is the object: somebody else may write to the file meanwhile. The error wraps ErrNoClone, before anything was hashed,
// if no blocks can be shared, and is marked as corrupt if the file has another size.
func (s *Store) Clone(from *os.File, size int64, second io.Writer) (id verity.ID, stored bool, err error) {
	o, err := s.NewObject()
	if err != nil {
		return verity.ID{}, false, err
	}
	defer o.Discard()
	if err := fd.Use(from, o.temp.clone); err != nil {
		return verity.ID{}, false, fmt.Errorf("%w: %w", ErrNoClone, err)
	}
	st, err := o.temp.file.Stat()
	if err != nil {
		return verity.ID{}, false, err
	}
	if st.Size() != size {
		return verity.ID{}, false, corrupt.Errorf("%s has %d bytes now, and had %d", from.Name(), st.Size(), size)
	}
	if o.size, err = s.hashBoth(o.hash, second, o.temp.file); err != nil {
		return verity.ID{}, false, err
	}
	return o.Commit()
}

// putLarge writes while it hashes.
func (s *Store) putLarge(in io.Reader, size int64) (verity.ID, bool, error) {
	o, err := s.NewObject()
	if err != nil {
		return verity.ID{}, false, err
	}
	defer o.Discard()
	return o.put(in, size)
}

// put writes size bytes of in, and commits.
func (o *Object) put(in io.Reader, size int64) (verity.ID, bool, error) {
	large := &o.temp.store.buffers.large
	b := take(large, chunk)
	defer large.Put(b)
	for left := size; left > 0; {
		data := (*b)[:min(left, chunk)]
		if _, err := io.ReadFull(in, data); err != nil {
			return verity.ID{}, false, corrupt.UnexpectedEOF(err)
		}
		if _, err := o.Write(data); err != nil {
			return verity.ID{}, false, err
		}
		left -= int64(len(data))
	}
	return o.Commit()
}

// name protects a written file, makes it the object id, and closes it. One that has a name
// is closed before it gets its final one: whether all was stored is known then.
func (s *Store) name(t *temp, id verity.ID, there presence) error {
	if err := t.seal(id); err != nil {
		return s.failObject(id, err)
	}
	if there == wrong { // something may refer to it, and what is referred to must be on disk
		if err := t.file.Sync(); err != nil {
			return s.failObject(id, err)
		}
	}
	if t.name != "" {
		if err := t.close(); err != nil {
			return err
		}
	}
	if err := s.mark(); err != nil {
		return err
	}
	s.marks.named(id)
	err := s.nameWritten(t, id, there)
	s.marks.named(id)
	if err != nil {
		return err
	}
	return t.close()
}

func (s *Store) nameWritten(t *temp, id verity.ID, there presence) error {
	path := s.path(id)
	if there == wrong {
		return t.replace(path)
	}
	err := t.link(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := s.mkdir(s.folder(id)); err != nil {
			return err
		}
		err = t.link(path)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil // another writer was faster with the same bytes
	}
	return err
}
