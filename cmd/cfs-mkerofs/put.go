package main

import (
	"errors"
	"os"
	"sync/atomic"

	"cfs/lib/objects"
	"cfs/lib/scan"
	"cfs/lib/verity"
)

// putIntoRepo stores files as objects of the repository, which are durable once done
// has returned.
func (j *job) putIntoRepo() (put func(*scan.File) (verity.ID, error), done func() error, err error) {
	if err := j.repo.Writable(); err != nil {
		return nil, nil, err
	}
	j.there = true
	put, done = putInto(j.repo.Objects, j.repo.Sync)
	return put, done, nil
}

// putIntoStore stores files in the digest store at name, as mkcomposefs does. It is made
// if it is missing.
func putIntoStore(name string, a verity.Algorithm) (put func(*scan.File) (verity.ID, error), done func() error, err error) {
	if err := os.MkdirAll(name, 0o755); err != nil {
		return nil, nil, err
	}
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, nil, err
	}
	s, err := objects.Open(root, ".", objects.Config{Algorithm: a, Lenient: true, Name: "write " + name})
	if err != nil {
		return nil, nil, errors.Join(err, root.Close())
	}
	put, sync := putInto(s, s.Sync)
	return put, func() error { return errors.Join(sync(), s.Close(), root.Close()) }, nil
}

// putInto stores files in a store. If any of them is new, done makes it durable by sync.
func putInto(s *objects.Store, sync func() error) (put func(*scan.File) (verity.ID, error), done func() error) {
	var stored atomic.Bool
	put = func(f *scan.File) (verity.ID, error) {
		id, fresh, err := s.PutFile(f, f.Fd(), f.Size)
		if fresh {
			stored.Store(true)
		}
		return id, err
	}
	done = func() error {
		if !stored.Load() {
			return nil
		}
		return sync()
	}
	return put, done
}
