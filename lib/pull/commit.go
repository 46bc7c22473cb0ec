package pull

import (
	"context"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"

	"cfs/lib/oci"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/verity"
)

// stored is a layer whose splitstream is written.
type stored struct {
	Layer            // as its record came, with what was found out
	stream verity.ID // that it has now
	fresh  bool      // the stream needs its name yet
}

// steps are what a commit does to the repository, and the pipe. A test puts in its own,
// which see the order.
type steps struct {
	sync       func() error // makes all that was written durable
	name       func(oci.Key, verity.ID) error
	lease      func(manifest digest.Digest, key oci.Key) error
	syncLeases func(manifest digest.Digest) error // and names
	syncNames  func() error
	say        func(stored) error
}

// committer names what is stored, after it is durable, and writes the records.
// While it waits for the disk others get ready, which then share one flush.
type committer struct {
	steps

	mu      sync.Mutex
	waiting []stored
	busy    bool
}

func newCommitter(r *repo.Repo, out *record.Writer) *committer {
	return &committer{steps: steps{
		sync:       r.Sync,
		name:       func(key oci.Key, id verity.ID) error { return r.Link(repo.Streams, oci.LayerName(key), id) },
		lease:      func(manifest digest.Digest, key oci.Key) error { return oci.Lease(r, manifest, oci.LayerName(key)) },
		syncLeases: func(manifest digest.Digest) error { return oci.SyncLeases(r, manifest) },
		syncNames:  func() error { return r.SyncNames(repo.Streams, ".") },
		say:        func(s stored) error { return s.say(out) },
	}}
}

// add commits s and all that is waiting, unless another add is at it, which then does. It
// begins no commit once ctx has ended: then nothing is named any more.
func (k *committer) add(ctx context.Context, s stored) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.waiting = append(k.waiting, s)
	if k.busy {
		return nil
	}
	k.busy = true
	defer func() { k.busy = false }()
	for len(k.waiting) > 0 && ctx.Err() == nil {
		batch := k.waiting
		k.waiting = nil
		k.mu.Unlock()
		err := k.commit(batch)
		k.mu.Lock()
		if err != nil {
			return err
		}
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
	manifests, err := k.nameAll(batch)
	if err != nil {
		return err
	}
	for _, m := range manifests {
		if err := k.syncLeases(m); err != nil {
			return err
		}
	}
	// A name that was there already may be one that a killed pull has not flushed.
	if len(manifests) == 0 {
		if err := k.syncNames(); err != nil {
			return err
		}
	}
	for _, s := range batch {
		if err := k.say(s); err != nil {
			return err
		}
	}
	return nil
}

// nameAll names what is fresh, and makes the leases. It returns the manifests of these,
// each once.
func (k *committer) nameAll(batch []stored) (manifests []digest.Digest, err error) {
	for _, s := range batch {
		if s.fresh {
			if err := k.name(s.Key(), s.stream); err != nil {
				return nil, err
			}
		}
		if s.For == "" {
			continue
		}
		if err := k.lease(s.For, s.Key()); err != nil {
			return nil, err
		}
		if !slices.Contains(manifests, s.For) {
			manifests = append(manifests, s.For)
		}
	}
	return manifests, nil
}

// say writes the record, and removes the blob from the spool.
func (s stored) say(out *record.Writer) error {
	l := s.Layer
	l.store(s.stream)
	if err := out.Write(l.Record()); err != nil {
		return err
	}
	return s.removeSpooled()
}
