package objects

import (
	"errors"

	"cfs/lib/verity"
)

// Object is an object that is being written. It has no name until Commit, and is freed
// when it is discarded or the process is killed.
type Object struct {
	temp *temp
	hash *verity.Hash
	size int64
}

// NewObject returns an empty Object. Discard must be called in the end.
func (s *Store) NewObject() (*Object, error) {
	t, err := s.newTempIn(s.sub)
	if err != nil {
		return nil, err
	}
	return &Object{temp: t, hash: s.hash()}, nil
}

// Write adds data at the end.
func (o *Object) Write(data []byte) (int, error) {
	o.hash.Write(data)
	n, err := o.temp.file.Write(data)
	o.size += int64(n)
	if err != nil {
		err = o.temp.store.failWrite(err)
	}
	return n, err
}

// Commit stores what was written as Put does. Nothing can be written afterwards.
func (o *Object) Commit() (id verity.ID, stored bool, err error) {
	s := o.temp.store
	id = o.hash.ID()
	there, err := s.present(id, o.size)
	if err != nil || there == right {
		return id, false, errors.Join(err, o.temp.close())
	}
	return id, true, s.name(o.temp, id, there)
}

// Discard frees what Commit did not store.
func (o *Object) Discard() {
	o.temp.store.buffers.hashes.Put(o.hash)
	o.temp.discard()
}
