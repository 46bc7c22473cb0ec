// Package incremental assembles layers from parts of their blobs and from files in a repository,
// so that only missing parts have to be downloaded.
//
// A zstd:chunked layer states where in the blob the content of each file is, and its SHA-256. A
// file with the same path, size and digest in another layer need not be downloaded. None of this
// is trusted: the SHA-256 of the whole tar, the diff ID, is verified at the end. If it does not
// match, the layer is downloaded whole, and only time is lost.
package incremental

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"cfs/lib/blob"
	"cfs/lib/chunked"
	"cfs/lib/corrupt"
	"cfs/lib/repo"
	"cfs/lib/spool"
	"cfs/lib/verity"
)

// OpenSpan opens a part of a blob where it comes from; again is set if what came before was wrong.
type OpenSpan func(ctx context.Context, d v1.Descriptor, s blob.Span, again bool) (io.ReadCloser, error)

// Assembler puts layers together, several at once if need be.
type Assembler struct {
	Repo    *repo.Repo  // whose lock is held
	Streams []verity.ID // of the layers that files are looked for in, the likeliest first
	Cost    int64       // how many bytes one request is worth
	Open    OpenSpan

	writing sync.Mutex // one layer is put together at a time: that bounds the memory of decoders

	mu   sync.Mutex
	sums map[verity.ID][32]byte // SHA-256 of objects that were looked at
}

// WholeError means that a layer has to be fetched whole, and why. Nothing else is wrong.
type WholeError struct {
	Dear bool // it would be cheaper, or parts of it are not to be had in any form
	err  error
}

func (e *WholeError) Error() string { return e.err.Error() }

// Unwrap returns why.
func (e *WholeError) Unwrap() error { return e.err }

// whole makes a WholeError of an error about data, and leaves others as they are.
func whole(err error) error {
	if corrupt.IsDamage(err) {
		return &WholeError{err: err}
	}
	return err
}

// errDear means that fetching parts of a layer costs more than fetching all of it.
var errDear = &WholeError{Dear: true, err: errors.New("parts cost more than the whole")}

const (
	maxRequests     = 256  // for one layer
	maxRequestsFree = 4096 // if a request costs nothing
	spansAtOnce     = 4
	chunk           = 64 << 10 // bytes that a kill can cost of each request
)

// Parse returns what the annotations of a layer say of its parts. The error is a WholeError.
func Parse(d v1.Descriptor) (*chunked.Layer, error) {
	l, err := chunked.Parse(d)
	if err != nil {
		return nil, &WholeError{Dear: errors.Is(err, chunked.ErrForm), err: err}
	}
	return l, nil
}

// Plan is how to put a layer together.
type Plan struct {
	Spans    []blob.Span // of the blob, that are still to be fetched: each by one request, if nothing of it is there
	Bytes    int64       // of the blob that are needed, with those that are there
	Have     int64       // of these, bytes that are there
	Requests int         // with those for TOC and tar-split

	layer    *chunked.Layer
	tables   int // requests that it takes to have them
	files    []chunked.File
	contents []content // of each file
}

// content is where the content of a file comes from: an object of the repository, bytes, or if it has
// neither the blob, where the file of number same has it.
type content struct {
	object  verity.ID
	inline  []byte
	same    int
	guessed bool // nobody has compared the digest
}

func (c content) isMissing() bool { return c.object.IsZero() && c.inline == nil }

// Plan fetches the tables of a layer that is not there, unless its parts cost more than the whole, and
// finds out what is missing. The error is a WholeError if the layer is to be fetched whole.
func (a *Assembler) Plan(ctx context.Context, d v1.Descriptor, p *spool.Pieces) (*Plan, error) {
	l, err := Parse(d)
	if err != nil {
		return nil, err
	}
	left := d.Size - p.Prefix()
	tables, err := a.findTables(ctx, d, p, l)
	if err != nil {
		return nil, err
	}
	tail := l.Tail()
	if tail.Len()+a.Cost >= left/2 {
		return nil, errDear
	}
	plan := &Plan{layer: l, tables: tables, Have: tail.Len() - chunked.Total(p.Missing(tail))}
	if err := a.fetch(ctx, d, p, []blob.Span{tail}, nil, false); err != nil {
		return nil, err
	}
	err = plan.readTables(p)
	if corrupt.Is(err) && plan.Have > 0 { // what was there may be of another time
		p.Forget(tail)
		if err = a.fetch(ctx, d, p, []blob.Span{tail}, nil, true); err == nil {
			err = plan.readTables(p)
		}
	}
	if err != nil {
		return nil, whole(err)
	}
	if plan.contents, err = a.search(ctx, plan.files); err != nil {
		return nil, err
	}
	a.choose(plan, p)
	if plan.Bytes-plan.Have+int64(plan.Requests)*a.Cost >= left {
		return nil, errDear
	}
	return plan, nil
}

// findTables finds out where TOC and tar-split are, and returns how many requests it takes to have both.
func (a *Assembler) findTables(ctx context.Context, d v1.Descriptor, p *spool.Pieces, l *chunked.Layer) (requests int, err error) {
	footer := l.Footer()
	if footer.Len() == 0 {
		return 1, nil
	}
	if err := a.fetch(ctx, d, p, []blob.Span{footer}, nil, false); err != nil {
		return 0, err
	}
	return 2, whole(l.ReadFooter(p.Open(footer)))
}

// choose chooses the spans of a plan whose contents are known.
func (a *Assembler) choose(plan *Plan, p *spool.Pieces) {
	requests := maxRequests
	if a.Cost == 0 {
		requests = maxRequestsFree
	}
	plan.Spans = chunked.Plan(plan.missing(), a.Cost, requests)
	tail := plan.layer.Tail().Len()
	plan.Requests, plan.Bytes = plan.tables+len(plan.Spans), tail+chunked.Total(plan.Spans)
	for _, s := range plan.Spans {
		plan.Have += s.Len() - chunked.Total(p.Missing(s))
	}
}

// readTables reads TOC and tar-split, which must have the same files.
func (plan *Plan) readTables(p *spool.Pieces) (err error) {
	l := plan.layer
	if plan.files, err = l.ReadTOC(p.Open(l.TOC.Span)); err != nil {
		return err
	}
	if !l.HasTarSplit() {
		return nil
	}
	return l.ReadTarSplit(p.Open(l.TarSplit.Span), plan.files, nil)
}

// missing returns the parts of the blob with what is missing, that of several files once, and with what is
// not the content of files if the tables do not have that.
func (plan *Plan) missing() (spans []blob.Span) {
	if !plan.layer.HasTarSplit() {
		for _, gap := range plan.layer.Gaps(plan.files) {
			if gap.Len() > 0 {
				spans = append(spans, gap)
			}
		}
	}
	for n, c := range plan.contents {
		if c.isMissing() && c.same == n {
			spans = append(spans, plan.files[n].Span)
		}
	}
	return spans
}

// fetch gets what is not there of some parts of a blob, several at once. watch, which may be nil, is told how
// many bytes came.
func (a *Assembler) fetch(ctx context.Context, d v1.Descriptor, p *spool.Pieces, spans []blob.Span, watch func(n int), again bool) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(spansAtOnce)
	for _, s := range spans {
		for _, missing := range p.Missing(s) {
			group.Go(func() error {
				if err := ctx.Err(); err != nil {
					return err
				}
				return a.fetchSpan(ctx, d, p, missing, watch, again)
			})
		}
	}
	return group.Wait()
}

func (a *Assembler) fetchSpan(ctx context.Context, d v1.Descriptor, p *spool.Pieces, s blob.Span, watch func(n int), again bool) (err error) {
	in, err := a.Open(ctx, d, s, again)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	buffer := make([]byte, min(chunk, s.Len()))
	for s.Len() > 0 {
		n, err := io.ReadFull(in, buffer[:min(int64(len(buffer)), s.Len())])
		if appended := p.Append(s.Start, buffer[:n]); appended != nil {
			return appended
		}
		if watch != nil {
			watch(n)
		}
		s.Start += int64(n)
		if err != nil {
			return corrupt.UnexpectedEOF(err)
		}
	}
	return nil
}

// Assemble puts the layer with a diff ID together, in the spool, after what is missing has been fetched. watch
// is told how many of the bytes of the plan are there. The error is a WholeError if the layer is to be
// fetched whole; what came of it is of no use then.
func (a *Assembler) Assemble(ctx context.Context, d v1.Descriptor, diffID digest.Digest, p *spool.Pieces, plan *Plan, watch spool.Watch) error {
	var mu sync.Mutex
	have := plan.Have
	watch(have)
	fetchAll := func() error {
		return a.fetch(ctx, d, p, plan.Spans, func(n int) {
			mu.Lock()
			defer mu.Unlock()
			have += int64(n)
			watch(have)
		}, false)
	}
	if err := fetchAll(); err != nil {
		return err
	}
	err := a.write(plan, diffID, p)
	if errors.Is(err, errContent) {
		if err = a.fetchWrong(ctx, d, p, plan); err == nil {
			err = a.write(plan, diffID, p)
		}
	}
	if corrupt.IsDamage(err) && plan.guesses() {
		if err := a.unguess(ctx, plan, p); err != nil {
			return err
		}
		if err := fetchAll(); err != nil {
			return err
		}
		err = a.write(plan, diffID, p)
	}
	return whole(err)
}

func (plan *Plan) guesses() bool {
	return slices.ContainsFunc(plan.contents, func(c content) bool { return c.guessed })
}

// unguess compares the digests of the contents that were guessed, and plans to fetch those that are wrong.
func (a *Assembler) unguess(ctx context.Context, plan *Plan, p *spool.Pieces) error {
	candidates := make([][]content, len(plan.files))
	for n, c := range plan.contents {
		if !c.isMissing() {
			c.guessed = false
			candidates[n] = []content{c}
		}
	}
	var err error
	if plan.contents, err = a.verify(ctx, plan.files, candidates); err != nil {
		return err
	}
	shareContents(plan.files, plan.contents)
	a.choose(plan, p)
	return nil
}

// fetchWrong fetches once more what is wrong of the contents that came, from another place.
func (a *Assembler) fetchWrong(ctx context.Context, d v1.Descriptor, p *spool.Pieces, plan *Plan) error {
	var wrong []blob.Span
	r := newFrames(plan.layer)
	defer r.close()
	for n, c := range plan.contents {
		if !c.isMissing() || c.same != n {
			continue
		}
		err := r.copy(io.Discard, plan.files[n], p)
		switch {
		case errors.Is(err, errContent):
			wrong = append(wrong, plan.files[n].Span)
			p.Forget(plan.files[n].Span)
		case err != nil:
			return err
		}
	}
	if err := a.fetch(ctx, d, p, chunked.Plan(wrong, a.Cost, maxRequests), nil, true); err != nil {
		return fmt.Errorf("fetching wrong parts again: %w", err)
	}
	return nil
}
