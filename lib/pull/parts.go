package pull

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
	"cfs/lib/incremental"
	"cfs/lib/progress"
	"cfs/lib/source"
	"cfs/lib/spool"
)

// parts gets a layer by parts of its blob, if that can be done and pays, and writes its record. Then done is
// set. If not, nothing is wrong: the layer is to be fetched whole. A person is told why, unless it just
// does not pay.
func (f *Fetcher) parts(ctx context.Context, l Layer, item *progress.Item) (done bool, err error) {
	d := f.descriptor(l)
	if !f.mayBeParts(l, d) || f.Spool.Whole(d) {
		return false, nil
	}
	if _, err := incremental.Parse(d); err != nil {
		return false, f.fetchWhole(l, err)
	}
	p, err := f.Spool.OpenPieces(ctx, d)
	if err != nil {
		return false, fmt.Errorf("%s: %w", l.Name(), err)
	}
	bytes, requests, err := f.assemble(ctx, l, d, p, item)
	if err != nil && f.fetchWhole(l, err) == nil {
		item.Resize(l.Size)
		return false, errors.Join(p.Drop(), p.Close())
	}
	if err := errors.Join(err, p.Close()); err != nil {
		return false, fmt.Errorf("%s: %w", l.Name(), err)
	}
	l.Form, l.Path, l.Spooled = FormSplitstream, p.AssemblyPath(), true
	if err := f.Out.Write(l.Record()); err != nil {
		return false, err
	}
	item.Resize(bytes)
	item.DoneInParts(l.Size, requests)
	return true, nil
}

// HasParts reports whether a layer that is not stored says of itself that parts of it can be used.
func (f *Fetcher) HasParts(layers []Layer) bool {
	return slices.ContainsFunc(layers, func(l Layer) bool {
		_, err := incremental.Parse(f.descriptor(l))
		whole, ok := errors.AsType[*incremental.WholeError](err)
		return l.Stream.IsZero() && (!ok || !whole.Dear)
	})
}

// mayBeParts reports whether a layer may be put together from parts, if it has a form for that.
func (f *Fetcher) mayBeParts(l Layer, d v1.Descriptor) bool {
	return f.Parts != nil && !l.Artifact && l.DiffID != "" && len(d.URLs) == 0
}

// fetchWhole returns nil for an error that means that the layer is to be fetched whole, and says why if somebody wants to know;
// others it returns.
func (f *Fetcher) fetchWhole(l Layer, err error) error {
	whole, ok := errors.AsType[*incremental.WholeError](err)
	if !ok && !errors.Is(err, source.ErrNoParts) {
		return err
	}
	if !ok || !whole.Dear {
		f.Meter.Say("%s: cannot be put together from parts: %v; fetching all of it", l.Name(), err)
	}
	return nil
}

// assemble puts a layer together in the spool, unless an earlier run has, and returns how many bytes of its blob
// that takes, and requests.
func (f *Fetcher) assemble(ctx context.Context, l Layer, d v1.Descriptor, p *spool.Pieces, item *progress.Item) (bytes int64, requests int, err error) {
	if there, err := f.assembled(l, p); there || err != nil {
		return 0, 0, err
	}
	plan, err := f.Parts.Plan(ctx, d, p)
	if err != nil {
		return 0, 0, err
	}
	item.Resize(plan.Bytes)
	err = f.Parts.Assemble(ctx, d, l.DiffID, p, plan, item.Set)
	return plan.Bytes, plan.Requests, err // which are more if a guess was wrong
}

// assembled is isAssembled, and removes what is of no use.
func (f *Fetcher) assembled(l Layer, p *spool.Pieces) (bool, error) {
	there, err := f.isAssembled(l, p)
	if corrupt.IsDamage(err) {
		return false, p.Drop()
	}
	return there, err
}

// isAssembled reports whether an earlier run has put the layer together, of objects that the
// repository still has. An error that is marked as corrupt says that what it left is of no use.
func (f *Fetcher) isAssembled(l Layer, p *spool.Pieces) (bool, error) {
	file, err := p.Assembly()
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	err = incremental.Verify(f.Parts.Repo, file, l.DiffID)
	return err == nil, err
}
