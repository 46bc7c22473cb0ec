package pull

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"cfs/lib/fd"
	"cfs/lib/oci"
	"cfs/lib/record"
	"cfs/lib/tolerance"
)

// followers are the layers that are stored while they are fetched, by their digests: each
// follows the file that its bytes are appended to. Nothing that a follower stores has a name
// before the record of the whole layer has come. What fails until then costs the work of the
// follower and nothing else: the layer is read from its start when it is whole, and an error
// is told then, if there still is one.
type followers struct {
	seats   chan struct{}               // one for each layer that is followed at once
	layers  map[digest.Digest]*follower // whose record is still to come
	running sync.WaitGroup
}

func newFollowers(jobs int) followers {
	return followers{seats: make(chan struct{}, jobs), layers: make(map[digest.Digest]*follower)}
}

// follower is one of them.
type follower struct {
	layer  Layer
	rules  *tolerance.Rules
	whole  chan struct{}      // closed when all bytes are there
	giveUp context.CancelFunc // its result is of no use

	ended chan struct{} // closed when the rest is set
	done  oci.Imported
	err   error
}

// follow begins to store the layer of a record that says where its bytes will be. One of which
// not all is known is not followed, nor one that is stored already.
func (i *Importer) follow(rec record.Record) error {
	l, err := parseFetching(rec)
	if err != nil {
		return err
	}
	if l.Digest == "" || l.DiffID == "" || l.Size < 0 || i.followed.layers[l.Digest] != nil || i.checkType(l) != nil {
		return nil
	}
	if _, err := l.stored(i.repo); err == nil {
		return nil
	}
	f := &follower{layer: l, rules: i.newRules(l.Name()), whole: make(chan struct{}), ended: make(chan struct{})}
	ctx, giveUp := context.WithCancel(i.ctx)
	f.giveUp = giveUp
	i.followed.layers[l.Digest] = f
	i.followed.running.Go(func() {
		defer close(f.ended)
		f.done, f.err = i.storeGrowing(ctx, f)
	})
	return nil
}

// errLate means that a layer was whole before there was a seat for who follows it.
var errLate = errors.New("not begun before it was whole")

// storeGrowing stores the layer of f when there is a seat.
func (i *Importer) storeGrowing(ctx context.Context, f *follower) (oci.Imported, error) {
	select {
	case i.followed.seats <- struct{}{}:
		defer func() { <-i.followed.seats }()
	case <-f.whole:
		return oci.Imported{}, errLate
	case <-ctx.Done():
		return oci.Imported{}, ctx.Err()
	}
	file, err := fd.OpenRegular(f.layer.Path)
	if err != nil {
		return oci.Imported{}, err
	}
	defer file.Close()
	return i.store(ctx, f.layer, &growing{ctx: ctx, file: file, size: f.layer.Size, whole: f.whole}, f.rules)
}

// take returns who follows the layer with a digest, nil if nobody does: its record has come.
func (f *followers) take(d digest.Digest) *follower {
	taken := f.layers[d]
	delete(f.layers, d)
	return taken
}

// dismiss gives up all layers whose record has not come.
func (f *followers) dismiss() {
	for d := range f.layers {
		f.take(d).giveUp()
	}
}

// result returns what became of a layer whose record has come, l; ok is false if it is
// to be read from its start. f may be nil.
func (f *follower) result(l Layer) (done oci.Imported, ok bool) {
	if f == nil {
		return oci.Imported{}, false
	}
	defer f.giveUp()
	if l.DiffID != f.layer.DiffID || l.Size != f.layer.Size || l.MediaType != f.layer.MediaType || l.Artifact {
		return oci.Imported{}, false
	}
	close(f.whole)
	<-f.ended
	return f.done, f.err == nil
}

// growing reads a file that somebody else appends to, until it has read size bytes. It
// waits for them until the file is whole.
type growing struct {
	ctx      context.Context
	file     *os.File
	at, size int64
	whole    <-chan struct{}
}

// growthWait is how long growing waits before it looks again. That the file is whole it knows
// at once.
const growthWait = 10 * time.Millisecond

func (g *growing) Read(p []byte) (int, error) {
	p = p[:min(int64(len(p)), g.size-g.at)]
	if len(p) == 0 {
		return 0, io.EOF
	}
	for {
		whole := isClosed(g.whole) // before the file is read, so that its last bytes are not missed
		n, err := g.file.Read(p)
		g.at += int64(n)
		switch {
		case n > 0:
			return n, nil
		case err != io.EOF:
			return 0, err
		case whole:
			return 0, fmt.Errorf("%s ends after %d of %d bytes", g.file.Name(), g.at, g.size)
		}
		if err := g.wait(); err != nil {
			return 0, err
		}
	}
}

// wait waits until the file may have grown. It is an error if the file has lost bytes: it is
// fetched anew, and what was read of it may be wrong.
func (g *growing) wait() error {
	st, err := g.file.Stat()
	if err != nil {
		return err
	}
	if st.Size() < g.at {
		return fmt.Errorf("%s was cut to %d bytes after %d were read", g.file.Name(), st.Size(), g.at)
	}
	select {
	case <-g.whole:
	case <-time.After(growthWait):
	case <-g.ctx.Done():
		return g.ctx.Err()
	}
	return nil
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
