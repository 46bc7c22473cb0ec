package pull

import (
	"context"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"cfs/lib/blob"
	"cfs/lib/progress"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/tolerance"
)

// Importer is the stage that stores layers. It commits all that came in a row together, or
// those that have waited for some seconds. Whatever fails first ends it: layers that are on
// their way are given up, and nothing is named any more.
type Importer struct {
	Open     func() (*repo.Repo, error)
	Out      *record.Writer
	Jobs     int              // layers at once
	Rules    *tolerance.Rules // what is tolerated, after Finish
	Progress *progress.Printer

	repo     *repo.Repo
	commits  *committer
	windows  *blob.Windows
	pace     pace
	subjects map[string]digest.Digest // of artifacts: the images to which they belong
	running  errgroup.Group
	notes    []*tolerance.Rules // of the layers that were begun, in order
	ctx      context.Context    // ends with the first failure, which is its cause
	fail     context.CancelCauseFunc
}

// Start opens the repository.
func (i *Importer) Start() (err error) {
	if i.repo, err = i.Open(); err != nil {
		return err
	}
	i.windows = blob.NewWindows()
	i.running.SetLimit(i.Jobs)
	i.ctx, i.fail = context.WithCancelCause(context.Background())
	i.commits = newCommitter(i.repo, i.Out)
	i.pace.due = i.commit
	return nil
}

// Close gives up what is still on its way, waits until nothing works in the repository any
// more, and closes it.
func (i *Importer) Close() error {
	if i.repo == nil {
		return nil
	}
	i.fail(context.Canceled)
	i.running.Wait()
	i.commit() // waits for one that has begun
	return i.repo.Close()
}

// Handle begins to store the layer of a record; anything else it passes on, after all
// layers that came before. It returns the first failure, also of another layer.
func (i *Importer) Handle(rec record.Record) error {
	if i.ctx.Err() != nil {
		return i.Finish()
	}
	i.pace.arrive()
	if rec.Kind == kindReferrer {
		return i.referrer(rec)
	}
	if rec.Kind != kindLayer && rec.Kind != kindBlob {
		if err := i.Finish(); err != nil {
			return err
		}
		if err := checkDocument(rec); err != nil {
			return fmt.Errorf("%s %s: %w", rec.Kind, rec.Digest, err)
		}
		return i.Out.Write(rec)
	}
	rules := i.rules(rec.Kind + " " + rec.Digest)
	pulled := i.subjects[rec.Get(keyFor)]
	i.pace.begin()
	i.running.Go(func() error {
		done, err := i.layer(rec, pulled, rules)
		if err != nil {
			i.fail(fmt.Errorf("%s %s: %w", rec.Kind, rec.Digest, err))
		} else {
			i.commits.add(done)
		}
		i.pace.end()
		return nil
	})
	return nil
}

// referrer passes on the record of an artifact. Its blobs are leased for the image to which it
// belongs, and come later: no layer needs to be waited for.
func (i *Importer) referrer(rec record.Record) error {
	a, err := ParseReferrer(rec)
	if err == nil {
		err = checkDocument(rec)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", rec.Kind, rec.Digest, err)
	}
	if i.subjects == nil {
		i.subjects = make(map[string]digest.Digest)
	}
	i.subjects[rec.Digest] = a.Subject
	return i.Out.Write(rec)
}

// commit commits what is waiting.
func (i *Importer) commit() {
	i.pace.stop()
	if err := i.commits.flush(i.ctx); err != nil {
		i.fail(err)
	}
}

// Finish waits until all layers that were begun are stored and committed, or given up because
// one has failed.
func (i *Importer) Finish() error {
	i.running.Wait()
	i.commit()
	for _, rules := range i.notes {
		i.Rules.Merge(rules)
	}
	i.notes = nil
	return context.Cause(i.ctx)
}

// rules returns the rules for a layer. What they collect comes together in the order in
// which the layers were begun, whichever is read first.
func (i *Importer) rules(layer string) *tolerance.Rules {
	rules := &tolerance.Rules{Strict: i.Rules.IsStrict(), Where: layer}
	i.notes = append(i.notes, rules)
	return rules
}

// Import stores the layer that is read from in, and writes its record. Its name is for
// errors, and an empty diff ID is found out.
func (i *Importer) Import(name string, in io.Reader, diffID digest.Digest) error {
	done, err := i.read(Layer{Blob: Blob{Size: -1}, DiffID: diffID}, in, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	i.commits.add(done)
	return i.Finish()
}
