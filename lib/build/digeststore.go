package build

import (
	"errors"
	"os"
	"sync/atomic"

	"cfs/lib/fd"
	"cfs/lib/objects"
	"cfs/lib/repo"
	"cfs/lib/scan"
	"cfs/lib/verity"
)

// store returns what stores the content of a file, or only computes its digest. done must be
// called in the end: it makes durable what was stored.
func (d *Directory) store(r *repo.Repo, a verity.Algorithm) (put func(*scan.File) (verity.ID, error), done func() error, err error) {
	switch {
	case r != nil:
		put, done = putInto(r.Objects, r.Sync)
		return put, done, nil
	case d.DigestStore != "":
		return openDigestStore(d.DigestStore, a)
	}
	return scan.Sum(a), func() error { return nil }, nil
}

// openDigestStore opens the store in a folder as mkcomposefs does. The folder is made if it
// is missing.
func openDigestStore(name string, a verity.Algorithm) (put func(*scan.File) (verity.ID, error), done func() error, err error) {
	if err := os.MkdirAll(name, 0o755); err != nil {
		return nil, nil, err
	}
	root, err := fd.OpenRoot(name)
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

// putInto stores files in a store. If there are any, done makes them durable by sync, new or
// not: whoever stored what is found may have been killed before it could.
func putInto(s *objects.Store, sync func() error) (put func(*scan.File) (verity.ID, error), done func() error) {
	var any atomic.Bool
	put = func(f *scan.File) (verity.ID, error) {
		any.Store(true)
		id, _, err := s.PutFile(f, f.Fd(), f.Size)
		return id, err
	}
	done = func() error {
		if !any.Load() {
			return nil
		}
		return sync()
	}
	return put, done
}
