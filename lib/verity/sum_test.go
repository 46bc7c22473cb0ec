package verity

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"testing"

	"cfs/lib/lanes"
)

// plain is the definition of fsverity.rst, a block after the other.
func plain(a Algorithm, data []byte) ID {
	hash := func(b []byte) []byte {
		if a == SHA512 {
			sum := sha512.Sum512(b)
			return sum[:]
		}
		sum := sha256.Sum256(b)
		return sum[:]
	}
	d := make([]byte, 256)
	d[0], d[1], d[2] = 1, byte(a), 12
	binary.LittleEndian.PutUint64(d[8:], uint64(len(data)))
	if len(data) > 0 {
		level := data
		for done := false; !done; done = len(level) == a.Size() {
			var next []byte
			for block := range slices.Chunk(level, 4096) {
				next = append(next, hash(append(slices.Clone(block), make([]byte, 4096-len(block))...))...)
			}
			level = next
		}
		copy(d[16:], level)
	}
	return a.MakeID(hash(d))
}

func random(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{})
	r.Read(b)
	return b
}

// sizes are those at which a level of the tree ends or the blocks of a batch are full, and
// those beside them.
func sizes() (list []int) {
	list = []int{0, 1, 32, 63, 64, 65}
	for _, n := range []int{1, 2, 3, 4, 5, 7, 8, 9, 16, 64, 128, 512, 1024} {
		list = append(list, n*4096-1, n*4096, n*4096+1)
	}
	return list
}

func check(t *testing.T, a Algorithm, contents [][]byte) {
	t.Helper()
	got := a.SumAll(contents)
	for i, data := range contents {
		want := plain(a, data)
		if got[i] != want {
			t.Errorf("%s: %d of %d contents, of %d bytes: got %s, want %s", a, i, len(contents), len(data), got[i], want)
		}
		h := a.New()
		h.Write(data)
		if id := h.ID(); id != want {
			t.Errorf("%s: a Hash of %d bytes: got %s, want %s", a, len(data), id, want)
		}
	}
}

func TestSumAll(t *testing.T) {
	data := random(1024*4096 + 1 + len(sizes()))
	for _, a := range []Algorithm{SHA256, SHA512} {
		var contents, reversed [][]byte
		for i, n := range sizes() {
			contents = append(contents, data[i:][:n:n])
		}
		for _, c := range slices.Backward(contents) {
			if len(c) < 20*4096 {
				reversed = append(reversed, c)
				check(t, a, [][]byte{c})
			}
		}
		check(t, a, contents)
		check(t, a, reversed)
		if len(a.SumAll(nil)) != 0 {
			t.Error("no contents have digests")
		}
	}
}

// Blocks of zeros are not hashed: wherever they are, the digest is that of the content.
func TestZeros(t *testing.T) {
	for _, a := range []Algorithm{SHA256, SHA512} {
		for _, n := range sizes() {
			if n > 130*4096 && testing.Short() {
				break
			}
			check(t, a, [][]byte{make([]byte, n)})
		}
		for hole := range 12 {
			for size := range 12 - hole {
				data := random(12*4096 - 5)
				clear(data[hole*4096 : min((hole+size+1)*4096, len(data))])
				check(t, a, [][]byte{data, data[:hole*4096+1], make([]byte, 1+size)})
			}
		}
		last := make([]byte, 5*4096)
		last[len(last)-1] = 1
		check(t, a, [][]byte{last})
	}
}

// Every implementation that the CPU has computes the same.
func TestImplementations(t *testing.T) {
	if os.Getenv(lanes.Variable) != "" {
		t.Skip("this is one of them")
	}
	for _, name := range lanes.Names() {
		cmd := exec.Command(os.Args[0], "-test.run=^(TestSum|TestPiecewise|TestSumAll|TestZeros)$")
		cmd.Env = append(os.Environ(), lanes.Variable+"="+name)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

func FuzzSum(f *testing.F) {
	f.Add([]byte("abc"), uint16(1), uint16(2), uint8(0))
	f.Add(random(20000), uint16(4096), uint16(8191), uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, cut, piece uint16, zeros uint8) {
		data = slices.Concat(data, make([]byte, int(zeros)*512), data)
		at := min(int(cut), len(data))
		for _, a := range []Algorithm{SHA256, SHA512} {
			check(t, a, [][]byte{data[:at], data, data[at:]})
			h := a.New()
			for p := range slices.Chunk(data, 1+int(piece)) {
				h.Write(p)
			}
			if got, want := h.ID(), plain(a, data); got != want {
				t.Errorf("%s: in pieces of %d: got %s, want %s", a, 1+piece, got, want)
			}
		}
	})
}

// What was written before is not part of what comes after Reset.
func TestReset(t *testing.T) {
	for _, a := range []Algorithm{SHA256, SHA512} {
		h := a.New()
		for _, n := range []int{0, 1, 4096, 5000, 9 * 4096} {
			h.Reset()
			h.Write(bytes.Repeat([]byte{1}, n+4096*520))
			h.Reset()
			h.Write(random(n))
			if got, want := h.ID(), plain(a, random(n)); got != want {
				t.Errorf("%s: %d bytes after Reset: got %s, want %s", a, n, got, want)
			}
		}
	}
}
