package objects

import (
	"errors"
	"sync"

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
	t, err := s.newObjectTemp(s.sub)
	if err != nil {
		return nil, err
	}
	return &Object{temp: t, hash: s.hash()}, nil
}

// beside is from how many bytes on hashing and writing take longer than starting to do both
// at once.
const beside = 64 << 10

// Write adds data at the end. It hashes and writes much data at the same time.
func (o *Object) Write(data []byte) (int, error) {
	var hashing sync.WaitGroup
	if len(data) < beside {
		o.hash.Write(data)
	} else {
		hashing.Go(func() { o.hash.Write(data) })
	}
	n, err := o.temp.file.Write(data)
	hashing.Wait()
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
