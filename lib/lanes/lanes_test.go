package lanes

import (
	"bytes"
	"crypto/fips140"
	"crypto/sha512"
	"fmt"
	"math/rand/v2"
	"testing"
	"unsafe"

	"cfs/lib/internal/cputime"
)

// each are the implementations that this CPU supports. What it does not support is not
// tested here, and said so.
func each(t testing.TB) []engine {
	list := all()
	if len(list) < 3 {
		t.Logf("NOT TESTED: this CPU does not support all implementations, only %v", Names())
	}
	return list
}

// content is random, and the same each time.
func content(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(b)
	return b
}

// one is what the standard library says.
func one(messages [][]byte) (sums []byte) {
	for _, m := range messages {
		sum := sha512.Sum512(m)
		sums = append(sums, sum[:]...)
	}
	return sums
}

// cut returns count messages of a length, each at another alignment.
func cut(data []byte, count, size int) (messages [][]byte) {
	for i := range count {
		messages = append(messages, data[i*(size+1):][:size:size])
	}
	return messages
}

func compare(t *testing.T, e engine, messages [][]byte) {
	t.Helper()
	got := e.sum512([]byte("before"), messages)
	if want := append([]byte("before"), one(messages)...); !bytes.Equal(got, want) {
		t.Errorf("%s: %d messages of %d bytes: got %x, want %x", e.name, len(messages), len(messages[0]), got, want)
	}
}

// Every number of messages, and lengths around the borders of chunks and of padding.
func TestLengths(t *testing.T) {
	data := content(20 * 4200)
	for _, e := range each(t) {
		for size := range 3*128 + 2 {
			compare(t, e, cut(data, e.width, size))
		}
		for _, size := range []int{111, 112, 127, 128, 256, 4095, 4096, 4097} {
			for count := 1; count <= 2*Most+1; count++ {
				compare(t, e, cut(data, count, size))
			}
		}
		if len(e.sum512(nil, nil)) != 0 {
			t.Errorf("%s: no messages have a digest", e.name)
		}
	}
}

// Each lane hashes its own message, whatever the others are, and each bit of it counts.
func TestLanes(t *testing.T) {
	zeros := make([]byte, 4096)
	for _, e := range each(t) {
		messages := make([][]byte, e.width)
		for lane := range messages {
			for i := range messages {
				messages[i] = zeros
			}
			messages[lane] = content(4096)
			compare(t, e, messages)
		}
		for bit := range 8 * 128 {
			for lane := range messages {
				flipped := make([]byte, 256)
				at := (bit + 131*lane) % (8 * 128)
				flipped[at/8] = 1 << (at % 8)
				messages[lane] = flipped
			}
			compare(t, e, messages)
		}
	}
}

// Memory of any alignment is read, and none behind a message.
func TestAlignment(t *testing.T) {
	for _, e := range each(t) {
		for shift := range 65 {
			messages := make([][]byte, Most)
			for i := range messages {
				b := make([]byte, 4096+64+65)
				to := (64 - int(uintptr(unsafe.Pointer(&b[0]))%64)) % 64
				messages[i] = append(b[to+shift:][:0], content(4096)...)
				messages[i][i]++
			}
			compare(t, e, messages)
		}
	}
}

func FuzzSum512(f *testing.F) {
	f.Add([]byte("abc"), 3, 1)
	f.Add(content(9000), 5, 0)
	f.Fuzz(func(t *testing.T, data []byte, count, overlap int) {
		count = 1 + abs(count)%(2*Most+1)
		size := len(data) / count
		step := size
		if overlap%2 != 0 { // messages may overlap
			size, step = size+len(data)%count, size
		}
		messages := make([][]byte, count)
		for i := range messages {
			messages[i] = data[i*step:][:size]
		}
		for _, e := range each(t) {
			compare(t, e, messages)
		}
	})
}

func abs(n int) int { return max(n, -(n + 1)) }

// A name that does not exist, or that the CPU does not support, is an error and no crash.
func TestChoose(t *testing.T) {
	for _, e := range each(t) {
		got, err := choose(e.name)
		if got != e || err != nil {
			t.Errorf("%s: got %v, %v", e.name, got, err)
		}
	}
	for _, name := range []string{"AVX2", "none", " "} {
		if got, err := choose(name); got.name != generic || err == nil {
			t.Errorf("%q: got %v, %v", name, got, err)
		}
	}
	want := each(t)[0]
	if fips140.Enabled() {
		want = engine{generic, 1}
	}
	if got, err := choose(""); got != want || err != nil {
		t.Errorf("without a name: got %v, %v; want %v", got, err, want)
	}
	if len(engines()) < 2 {
		if got, err := choose("avx512"); got.name != generic || err == nil {
			t.Errorf("avx512 without that CPU: got %v, %v", got, err)
		}
	}
}

func BenchmarkSum512(b *testing.B) {
	data := content(Most * 4096)
	for _, e := range each(b) {
		for n := 1; n <= Most; n *= 2 {
			b.Run(fmt.Sprintf("%s/%d", e.name, n), func(b *testing.B) {
				messages := make([][]byte, n)
				for i := range messages {
					messages[i] = data[4096*i:][:4096]
				}
				dst := make([]byte, 0, 64*n)
				defer cputime.Start(b, int64(4096*n))()
				for b.Loop() {
					e.sum512(dst, messages)
				}
			})
		}
	}
}
