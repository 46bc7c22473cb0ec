package blob

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"

	"cfs/lib/corrupt"
)

// frameOf returns a zstd frame that asks for a window: text at its start, and so many
// zeros behind it.
func frameOf(t testing.TB, window int, text string, zeros int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, zstd.WithWindowSize(window), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text+strings.Repeat("\x00", zeros)); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil { // so that its length does not stand in the header
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// taken makes Windows that count what is in use, and its peak.
func counted() (w *Windows, peak *int64, release func(int64)) {
	var mu sync.Mutex
	var now int64
	w, peak = NewWindows(), new(int64)
	w.taking = func(size int64) {
		mu.Lock()
		defer mu.Unlock()
		now += size
		*peak = max(*peak, now)
	}
	return w, peak, func(size int64) {
		mu.Lock()
		defer mu.Unlock()
		now -= size
	}
}

// TestReview4_7: layers that ask for large windows have them one after the other, and all
// come to their end.
func TestReview4_7(t *testing.T) {
	const window = 128 << 20
	data := append(frameOf(t, 1<<10, "one", 0), append(frameOf(t, window, "two", 100_000), frameOf(t, 8<<20, "three", 0)...)...)
	windows, peak, release := counted()
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			r, err := DecompressWithin(t.Context(), bytes.NewReader(data), Zstd, windows)
			if err != nil {
				t.Error(err)
				return
			}
			text, err := io.ReadAll(r)
			if err != nil || string(text) != "onetwo"+strings.Repeat("\x00", 100_000)+"three" {
				t.Errorf("%d bytes, %v", len(text), err)
			}
			release(window)
			r.Close()
		})
	}
	group.Wait()
	if *peak != window {
		t.Errorf("windows of %d bytes in use at once, want %d", *peak, window)
	}
	if !windows.free.TryAcquire(windowBudget) {
		t.Error("not all was released")
	}
}

// TestWindowsGrow: who asks for more gives back what he has before he waits, or two would
// wait for each other.
func TestWindowsGrow(t *testing.T) {
	windows := NewWindows()
	data := append(frameOf(t, 64<<20, "one", 0), frameOf(t, 128<<20, "two", 0)...)
	var readers []io.ReadCloser
	for range 2 {
		r, err := DecompressWithin(t.Context(), bytes.NewReader(data), Zstd, windows)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(io.LimitReader(r, 3)); err != nil || string(text) != "one" {
			t.Fatalf("%q, %v", text, err)
		}
		readers = append(readers, r)
	}
	var group sync.WaitGroup
	for _, r := range readers {
		group.Go(func() {
			if text, err := io.ReadAll(r); err != nil || string(text) != "two" {
				t.Errorf("%q, %v", text, err)
			}
			r.Close()
		})
	}
	group.Wait()
}

// TestWindowsGivenUp: a wait for a window ends with its context, which is no damage.
func TestWindowsGivenUp(t *testing.T) {
	windows := NewWindows()
	windows.free.TryAcquire(windowBudget)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := DecompressWithin(ctx, bytes.NewReader(frameOf(t, 8<<20, "one", 0)), Zstd, windows)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := io.ReadAll(r); !errors.Is(err, context.Canceled) || corrupt.Is(err) {
			t.Errorf("got %v", err)
		}
	}
	r.Close()
	if !decompressible(t, windows, frameOf(t, 1<<20, "small", 0), "small") {
		t.Error("a small window has to wait")
	}
}

func decompressible(t *testing.T, windows *Windows, data []byte, want string) bool {
	t.Helper()
	r, err := DecompressWithin(t.Context(), bytes.NewReader(data), Zstd, windows)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	return err == nil && string(text) == want
}

// TestWindowTooLarge: a window beyond the limit is damage, by whatever field it is asked
// for, and costs nothing.
func TestWindowTooLarge(t *testing.T) {
	for name, data := range map[string][]byte{
		"descriptor": frameOf(t, 256<<20, "one", 0),
		// A single segment of 2^40 bytes, and an empty last block.
		"segment": append([]byte("\x28\xb5\x2f\xfd\xe0"), "\x00\x00\x00\x00\x00\x01\x00\x00\x01\x00\x00"...),
	} {
		err := decompressAll(bytes.NewReader(data), Zstd)
		if !corrupt.Is(err) || !strings.Contains(err.Error(), "exceed") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A segment of 16 MiB is one window of that size.
	data := append([]byte("\x28\xb5\x2f\xfd\xa0\x00\x00\x00\x01"), "\x03\x00\x00x"...)
	data[len(data)-4] = 1 | 1<<1 // last, RLE, of size 0
	windows, peak, _ := counted()
	r, err := DecompressWithin(t.Context(), bytes.NewReader(data), Zstd, windows)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); !corrupt.Is(err) || *peak != 16<<20 {
		t.Errorf("a segment of 16 MiB, cut off: %v, a window of %d bytes", err, *peak)
	}
	r.Close()
}
