package blob

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/semaphore"
)

const (
	// zstdWindow is the largest window that a layer may ask for: what zstd(1) gives
	// without --long.
	zstdWindow = 128 << 20
	// zstdSmall is the largest window that a layer has without waiting for it.
	zstdSmall = 1 << 20
	// windowBudget is what all larger windows may have together: one of the largest,
	// and beside it four as the usual levels of zstd(1) make them.
	windowBudget = zstdWindow + 4*8<<20
)

// Windows bounds the memory that layers use which are decompressed at the same time: the
// windows of zstd, which each layer chooses. A layer waits for the window that it asks for
// until others have ended, holding nothing meanwhile.
type Windows struct {
	free   *semaphore.Weighted
	taking func(size int64) // called when a layer has got its window; for tests
}

// NewWindows returns a budget that has room for one window of the largest size.
func NewWindows() *Windows { return &Windows{free: semaphore.NewWeighted(windowBudget)} }

// take waits until size bytes are free. A nil Windows has no bound.
func (w *Windows) take(ctx context.Context, size int64) error {
	if w == nil {
		return nil
	}
	if err := w.free.Acquire(ctx, size); err != nil {
		return err
	}
	if w.taking != nil {
		w.taking(size)
	}
	return nil
}

func (w *Windows) release(size int64) {
	if w == nil || size == 0 {
		return
	}
	// The next one is about to take as much: together with what nobody uses any more that
	// would be twice the budget.
	runtime.GC()
	w.free.Release(size)
}

// zstdReader reads a zstd stream by a decoder for small windows until a frame asks for a
// larger one.
type zstdReader struct {
	ctx     context.Context
	windows *Windows
	in      *tail
	decoder *zstd.Decoder
	held    int64 // of the windows
	failed  error // for ever
}

func newZstdReader(ctx context.Context, in io.Reader, windows *Windows) (*zstdReader, error) {
	z := &zstdReader{ctx: ctx, windows: windows, in: &tail{in: in}}
	return z, z.open(z.in, zstdSmall)
}

func (z *zstdReader) open(in io.Reader, window uint64) (err error) {
	// At once, on this goroutine: then it reads no more than it needs.
	z.decoder, err = zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(window))
	return err
}

func (z *zstdReader) Read(p []byte) (int, error) {
	for z.failed == nil {
		n, err := z.decoder.Read(p)
		if n > 0 || !errors.Is(err, zstd.ErrWindowSizeExceeded) && !errors.Is(err, zstd.ErrDecoderSizeExceeded) {
			return n, err
		}
		z.failed = z.grow(err)
	}
	return 0, z.failed
}

// grow goes on with a decoder for the window that the frame asks for of which the header
// was read last. Without one, or if it is too large, it returns err.
func (z *zstdReader) grow(err error) error {
	head, window := z.in.frame()
	if window <= uint64(max(z.held, zstdSmall)) || window > zstdWindow {
		return err
	}
	z.Close() // who waits holds nothing: so nobody waits for two who wait for each other
	if err := z.windows.take(z.ctx, int64(window)); err != nil {
		return err
	}
	z.held = int64(window)
	z.in = &tail{in: io.MultiReader(head, z.in.in)}
	return z.open(z.in, window)
}

// Close frees the window. It may be called again.
func (z *zstdReader) Close() {
	if z.decoder != nil {
		z.decoder.Close()
		z.decoder = nil
	}
	z.windows.release(z.held)
	z.held = 0
}

// tail is a reader that remembers its last bytes.
type tail struct {
	in   io.Reader
	last []byte
}

func (t *tail) Read(p []byte) (int, error) {
	n, err := t.in.Read(p)
	t.last = append(t.last, p[max(0, n-zstd.HeaderMaxSize):n]...)
	t.last = append(t.last[:0], t.last[max(0, len(t.last)-zstd.HeaderMaxSize):]...)
	return n, err
}

// frame returns the header of a frame that was read last, to be read again, and the window
// in bytes that it asks for; 0 if there is none.
func (t *tail) frame() (io.Reader, uint64) {
	for at := range t.last {
		var h zstd.Header
		head := t.last[at:]
		if h.Decode(head) != nil || h.HeaderSize != len(head) || h.Skippable {
			continue
		}
		if h.SingleSegment {
			return bytes.NewReader(bytes.Clone(head)), max(h.FrameContentSize, zstd.MinWindowSize)
		}
		return bytes.NewReader(bytes.Clone(head)), h.WindowSize
	}
	return nil, 0
}
