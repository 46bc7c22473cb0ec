package pull

import (
	"context"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"

	"cfs/lib/oci"
	"cfs/lib/progress"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/verity"
)

// stored is a layer whose splitstream is written.
type stored struct {
	Layer            // as its record came, with what was found out
	stream verity.ID // that it has now
	fresh  bool      // the stream needs its name yet
	wrote  string    // bytes of new objects, to be said in the record, or ""
	proved string    // by what it was verified just now, if not by the blob's digest
}

// steps are what a commit does to the repository, and the pipe. A test puts in its own,
// which see the order.
type steps struct {
	sync      func() error // makes all that was written durable
	name      func(stream string, id verity.ID) error
	found     func() // notes that there is a name already
	lease     func(manifest digest.Digest, stream string) error
	syncNames func() error // those of layers, and leases
	say       func(stored) error
}

// committer names what is stored, after it is durable, and writes the records. Layers wait
// for each other and share a batch of flushes, see pace.
type committer struct {
	steps

	committing sync.Mutex // held during a commit

	mu      sync.Mutex
	waiting []stored
}

func newCommitter(r *repo.Repo, out *record.Writer, count *progress.Counter) *committer {
	flush := func(sync func() error) func() error {
		return func() error {
			defer count.During("flushing to disk")() // with much to write this takes long
			return sync()
		}
	}
	return &committer{steps: steps{
		sync:      flush(r.Sync),
		name:      func(stream string, id verity.ID) error { return r.Link(repo.Streams, stream, id) },
		found:     func() { r.FoundName(repo.Streams) },
		lease:     func(manifest digest.Digest, stream string) error { return oci.Lease(r, manifest, stream) },
		syncNames: flush(r.SyncNames),
		say:       func(s stored) error { return s.say(out) },
	}}
}

// add has s wait for the next commit.
func (k *committer) add(s stored) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.waiting = append(k.waiting, s)
}

// take returns what is waiting, which does not wait any more.
func (k *committer) take() []stored {
	k.mu.Lock()
	defer k.mu.Unlock()
	batch := k.waiting
	k.waiting = nil
	return batch
}

// flush commits all that is waiting, when a commit that has begun has ended. It begins none
// once ctx has ended: then nothing is named any more.
func (k *committer) flush(ctx context.Context) error {
	k.committing.Lock()
	defer k.committing.Unlock()
	if ctx.Err() != nil {
		return nil
	}
	if batch := k.take(); len(batch) > 0 {
		return k.commit(batch)
	}
	return nil
}

// commit makes a batch durable, names it, makes the names and the leases durable,
// and only then says so.
func (k *committer) commit(batch []stored) error {
	if slices.ContainsFunc(batch, func(s stored) bool { return s.fresh }) {
		if err := k.sync(); err != nil {
			return err
		}
	}
	if err := k.nameAll(batch); err != nil {
		return err
	}
	if err := k.syncNames(); err != nil {
		return err
	}
	for _, s := range batch {
		if err := k.say(s); err != nil {
			return err
		}
	}
	return nil
}

// nameAll names what is fresh, and makes the leases. A name that was found may be one that
// a killed pull has not flushed.
func (k *committer) nameAll(batch []stored) error {
	for _, s := range batch {
		if s.fresh {
			if err := k.name(s.streamName(), s.stream); err != nil {
				return err
			}
		} else {
			k.found()
		}
		if s.leaseFor() == "" {
			continue
		}
		if err := k.lease(s.leaseFor(), s.streamName()); err != nil {
			return err
		}
	}
	return nil
}

// say writes the record, and removes the blob from the spool.
func (s stored) say(out *record.Writer) error {
	l := s.Layer
	l.store(s.stream, s.proved)
	rec := l.Record()
	if s.wrote != "" {
		rec = rec.Set(keyNew, s.wrote)
	}
	if err := out.Write(rec); err != nil {
		return err
	}
	return s.removeSpooled()
}
