package main

import (
	"errors"
	"os"
	"sync"

	"github.com/opencontainers/go-digest"

	"cfs/lib/oci"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/verity"
)

// stored is a blob whose splitstream is written.
type stored struct {
	rec    record.Record
	key    oci.Key
	stream verity.ID
	fresh  bool // it needs its name yet
}

// committer names what is stored, after it is durable, and writes the records.
// While it waits for the disk others get ready, which then share one flush.
type committer struct {
	repo *repo.Repo
	out  *record.Writer

	mu      sync.Mutex
	changed sync.Cond
	pending int // blobs that were begun and are neither committed nor failed
	waiting []stored
	busy    bool
	failure error
}

func newCommitter(r *repo.Repo, out *record.Writer) *committer {
	k := &committer{repo: r, out: out}
	k.changed.L = &k.mu
	return k
}

// begin tells that a blob is on its way: add or fail will be called for it.
func (k *committer) begin() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pending++
}

// err returns the first failure, of the committer or told to it by fail.
func (k *committer) err() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.failure
}

// fail stops the committer: nothing is named any more.
func (k *committer) fail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failure == nil {
		k.failure = err
	}
	k.changed.Broadcast()
}

// add commits s and all that is waiting, unless somebody is at it, who then does.
func (k *committer) add(s stored) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.waiting = append(k.waiting, s)
	if k.busy {
		return
	}
	k.busy = true
	for len(k.waiting) > 0 && k.failure == nil {
		batch := k.waiting
		k.waiting = nil
		k.mu.Unlock()
		err := k.commit(batch)
		k.mu.Lock()
		k.pending -= len(batch)
		if err != nil && k.failure == nil {
			k.failure = err
		}
	}
	k.busy = false
	k.changed.Broadcast()
}

// wait returns when all blobs that were begun are committed, or one has failed: it
// does not wait for the others then, which may take long and are of no use.
func (k *committer) wait() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for k.pending > 0 && k.failure == nil {
		k.changed.Wait()
	}
	return k.failure
}

// commit makes a batch durable, names it, makes the names and the leases durable,
// and only then says so.
func (k *committer) commit(batch []stored) error {
	fresh := false
	for _, s := range batch {
		fresh = fresh || s.fresh
	}
	if fresh {
		if err := k.repo.Sync(); err != nil {
			return err
		}
	}
	leased := make(map[digest.Digest]bool)
	for _, s := range batch {
		if s.fresh {
			if err := k.repo.Link(repo.Streams, oci.LayerName(s.key), s.stream); err != nil {
				return err
			}
		}
		if d := digest.Digest(s.rec.Get("for")); d != "" && d.Validate() == nil {
			if err := oci.Lease(k.repo, d, oci.LayerName(s.key)); err != nil {
				return err
			}
			leased[d] = true
		}
	}
	for d := range leased {
		if err := oci.SyncLeases(k.repo, d); err != nil {
			return err
		}
	}
	if fresh && len(leased) == 0 {
		if err := k.repo.SyncNames(repo.Streams, "."); err != nil {
			return err
		}
	}
	for _, s := range batch {
		if err := k.finish(s); err != nil {
			return err
		}
	}
	return nil
}

// finish writes the record, and removes the blob from the spool.
func (k *committer) finish(s stored) error {
	path, spooled := s.rec.Get("path"), s.rec.Get("spooled") == "1"
	if err := k.out.Write(s.rec.Without("path", "spooled").Set("stream", s.stream.String())); err != nil {
		return err
	}
	if spooled && path != "" {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}
