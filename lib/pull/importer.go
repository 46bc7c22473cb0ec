package pull

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/opencontainers/go-digest"

	"cfs/lib/blob"
	"cfs/lib/progress"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/tolerance"
	"cfs/lib/verity"
)

// Importer is the stage that stores layers, also while they are still fetched. It commits
// all that came in a row together, or those that have waited for some seconds. Whatever fails
// first ends it: layers that are on their way are given up, and nothing is named any more.
type Importer struct {
	Open     func() (*repo.Repo, error)
	OpenFrom func(path string) (*repo.Repo, error) // another repository, whose objects a record refers to
	Out      *record.Writer
	Jobs     int              // layers at once
	Rules    *tolerance.Rules // what is tolerated, after Finish
	MarkNew  bool             // say in the records of layers how many bytes were stored for them
	Progress *progress.Printer
	Count    *progress.Counter // of bytes of layers, may be nil

	repo     *repo.Repo
	others   others // repositories, open until the end
	commits  *committer
	windows  *blob.Windows
	pace     pace
	subjects map[string]digest.Digest // of artifacts: the images to which they belong
	followed followers
	queue    *queue             // of layers whose records have come
	notes    []*tolerance.Rules // of these layers, in order
	ctx      context.Context    // ends with the first failure, which is its cause
	fail     context.CancelCauseFunc
}

// Start opens the repository.
func (i *Importer) Start() (err error) {
	if i.repo, err = i.Open(); err != nil {
		return err
	}
	i.windows = blob.NewWindows()
	i.queue, i.followed = newQueue(i.Jobs), newFollowers(i.Jobs)
	i.ctx, i.fail = context.WithCancelCause(context.Background())
	i.commits = newCommitter(i.repo, i.Out, i.Count)
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
	i.followed.running.Wait()
	i.queue.wait()
	i.commit() // waits for one that has begun
	return errors.Join(i.others.close(), i.repo.Close())
}

// Handle begins to store the layer of a record; anything else it passes on, after all
// layers that came before, but for the records of layers on their way. It returns the first
// failure, also of another layer. It never waits for a layer to be read: the record that comes
// next may be the one which a follower waits for, or say that its bytes will never come.
func (i *Importer) Handle(rec record.Record) error {
	if i.ctx.Err() != nil {
		return i.failed(rec)
	}
	i.pace.arrive()
	switch rec.Kind {
	case kindFetching:
		if err := i.follow(rec); err != nil {
			return fmt.Errorf("%s %s: %w", rec.Kind, rec.Digest, err)
		}
		return nil
	case kindLayer, kindBlob:
		i.begin(rec)
		return nil
	case kindReferrer:
		return i.referrer(rec)
	}
	if err := i.Finish(); err != nil {
		return i.failed(rec)
	}
	if err := checkDocument(rec); err != nil {
		return fmt.Errorf("%s %s: %w", rec.Kind, rec.Digest, err)
	}
	return i.Out.Write(rec)
}

// failed returns the first failure. One about a stream that is not stored waits for the config or the manifest, which
// tell whether a retry helps.
func (i *Importer) failed(rec record.Record) error {
	err := i.Finish()
	switch {
	case !errors.Is(err, errNotStored):
		return err
	case rec.Kind != kindConfig && rec.Kind != kindManifest:
		return nil
	}
	stream, noStream := verity.ParseID(rec.Get(keyStream))
	if noStream != nil { // as in a pull
		return err
	}
	if _, sizeErr := i.repo.Objects.Size(stream); errors.Is(sizeErr, fs.ErrNotExist) {
		return fmt.Errorf("%s %s: %w", rec.Kind, rec.Digest, errElsewhere)
	}
	return err
}

// begin begins to store the layer of a record, after those that came before it have begun.
func (i *Importer) begin(rec record.Record) {
	rules := i.newRules(rec.Kind + " " + rec.Digest)
	i.notes = append(i.notes, rules)
	pulled := i.subjects[rec.Get(keyFor)]
	if l, err := ParseLayer(rec); err == nil {
		i.Count.Expect(l.Digest.String(), l.Size)
	}
	f := i.followed.take(digest.Digest(rec.Digest))
	i.pace.begin()
	i.queue.add(func() {
		defer i.pace.end()
		if i.ctx.Err() != nil {
			return
		}
		done, err := i.layer(rec, pulled, f, rules)
		if err != nil {
			i.fail(fmt.Errorf("%s %s: %w", rec.Kind, rec.Digest, err))
			return
		}
		i.commits.add(done)
	})
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

// Finish waits until all layers whose records have come are stored and committed, or given up
// because one has failed. Others that are on their way are not followed any further.
func (i *Importer) Finish() error {
	i.followed.dismiss()
	i.queue.wait()
	i.commit()
	for _, rules := range i.notes {
		i.Rules.Merge(rules)
	}
	i.notes = nil
	return context.Cause(i.ctx)
}

// newRules returns rules for one layer. What they collect comes together in the order of the
// records, whichever layer is read first.
func (i *Importer) newRules(layer string) *tolerance.Rules {
	return &tolerance.Rules{Strict: i.Rules.IsStrict(), Where: layer}
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
