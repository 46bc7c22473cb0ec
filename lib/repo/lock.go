package repo

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"cfs/lib/fd"
	"cfs/lib/flock"
)

// LockStreams takes the lock that keeps two writers from losing each other's
// references: whoever rewrites a stream that has a name holds it from reading the
// old one until the new one, and all that refers to it, has its name. The function
// returned releases it.
func (r *Repo) LockStreams(l flock.Lock) (release func() error, err error) {
	if err := r.mkdir("streams"); err != nil {
		return nil, err
	}
	f, err := r.root.OpenDir("streams")
	if err != nil {
		return nil, err
	}
	l.Exclusive = true
	if err := l.Take(context.Background(), f); err != nil {
		f.Close()
		return nil, fmt.Errorf("repository %s: streams: %w", r.Path, err)
	}
	return f.Close, nil
}

// Inherit lets programs that this process turns into or starts keep the lock.
func (r *Repo) Inherit() error {
	return fd.Use(r.dir, func(fd int) error {
		_, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0)
		return err
	})
}
