package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/flock"
	"cfs/lib/manifest"
)

const partialSuffix = ".partial"

// chunk is how much is read before it is written: what a kill can cost.
const chunk = 64 << 10

// OpenBlob opens a blob where it comes from, from the byte at offset on.
type OpenBlob func(ctx context.Context, d v1.Descriptor, offset int64) (io.ReadCloser, error)

// Watch is told how many bytes of a blob are there. It may be nil.
type Watch func(have int64)

// Fetch gets a blob that is not there, or goes on where that ended before, and returns
// its path. The blob has its digest and size then; one that has not is got once more
// from its start, and if it is wrong again the error is marked as corrupt. If somebody
// else is at it, Fetch waits. What there is of a blob stays when Fetch fails.
func (s *Spool) Fetch(ctx context.Context, d v1.Descriptor, open OpenBlob, watch Watch) (string, error) {
	name, err := manifest.BlobName(d.Digest)
	if err != nil {
		return "", err
	}
	if watch == nil {
		watch = func(int64) {}
	}
	if err := s.mkdir(path.Dir(name)); err != nil {
		return "", fmt.Errorf("spool: %w", err)
	}
	f, err := s.lockPartial(ctx, name+partialSuffix, func() {
		if s.Waiting != nil {
			s.Waiting(d)
		}
	})
	if err != nil {
		return "", fmt.Errorf("spool: %w", err)
	}
	defer f.Close()
	p := &partial{spool: s, name: name, file: f, desc: d, watch: watch}
	where := filepath.Join(s.dir, name)
	switch whole, err := p.verifyWhole(); {
	case err != nil:
		return "", fmt.Errorf("spool: %w", err)
	case whole:
		return where, s.root.Remove(name + partialSuffix)
	}
	if err := p.fetch(ctx, open); err != nil {
		return "", err
	}
	// Its digest is looked at again by who finds it here, so that it need not be flushed.
	return where, s.root.Rename(name+partialSuffix, name)
}

// fetch gets what is missing, twice at most.
func (p *partial) fetch(ctx context.Context, open OpenBlob) error {
	if err := p.begin(); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	err := p.rest(ctx, open)
	if !errors.Is(err, errWrong) {
		return err
	}
	if err := p.restart(); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	if err = p.rest(ctx, open); !errors.Is(err, errWrong) {
		return err
	}
	return errors.Join(err, p.restart(), p.spool.root.Remove(p.name+partialSuffix))
}

// mkdir makes a folder of the spool, and those above it.
func (s *Spool) mkdir(name string) error {
	err := s.root.Mkdir(name, 0o755)
	if errors.Is(err, fs.ErrNotExist) {
		if err := s.mkdir(path.Dir(name)); err != nil {
			return err
		}
		err = s.root.Mkdir(name, 0o755)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// lockPartial opens the file of a blob that is on its way, and waits until nobody else
// is at it.
func (s *Spool) lockPartial(ctx context.Context, name string, waiting func()) (*os.File, error) {
	lock := flock.Lock{Exclusive: true, Timeout: flock.Forever, Waiting: func(string) { waiting() }}
	for {
		f, err := s.openOwn(name)
		if err != nil {
			return nil, err
		}
		if err := lock.Take(ctx, f); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		// Whoever was at it may have given it its final name, or removed it.
		mine, err := s.isNamed(f, name)
		if mine {
			return f, nil
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
	}
}
