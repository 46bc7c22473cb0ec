//go:build !purego

package lanes

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/cpu"
)

// engines returns the implementations in assembly that the CPU supports, the fastest first.
func engines() (list []engine) {
	if cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW {
		list = append(list, engine{"avx512", 8})
	}
	if cpu.X86.HasAVX2 {
		list = append(list, engine{"avx2", 4})
	}
	return list
}

// chunk is how many bytes of a message a step of SHA-512 takes.
const chunk = 128

// initial is the hash before the first chunk (FIPS 180-4, section 5.3.5).
var initial = [8]uint64{
	0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
	0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
}

// together appends the digests of at least one message, and at most as many as there are
// lanes. Lanes without a message hash the last one again.
func (e engine) together(dst []byte, messages [][]byte) []byte {
	var (
		state [8 * Most]uint64
		start [Most]*byte
		tails [Most][2 * chunk]byte
	)
	for i := range initial {
		for lane := range e.width {
			state[i*e.width+lane] = initial[i]
		}
	}
	last := len(messages) - 1
	for lane := range start {
		start[lane] = unsafe.SliceData(messages[min(lane, last)])
	}
	size := len(messages[0])
	e.compress(&state, &start, size/chunk)
	padded := 0
	for lane := range start {
		padded = pad(&tails[lane], messages[min(lane, last)][size/chunk*chunk:], size)
		start[lane] = &tails[lane][0]
	}
	e.compress(&state, &start, padded/chunk)
	for lane := range messages {
		for i := range initial {
			dst = binary.BigEndian.AppendUint64(dst, state[i*e.width+lane])
		}
	}
	return dst
}

func (e engine) compress(state *[8 * Most]uint64, start *[Most]*byte, chunks int) {
	switch {
	case chunks == 0:
	case e.width == 8:
		sha512x8(state, start, chunks)
	default:
		sha512x4(state, start, chunks)
	}
}

// pad writes what is left of a message of size bytes and its padding (FIPS 180-4, section
// 5.1.2), and returns how many bytes that is.
func pad(to *[2 * chunk]byte, rest []byte, size int) int {
	n := copy(to[:], rest)
	to[n] = 0x80
	end := chunk
	if n+1+16 > chunk {
		end = 2 * chunk
	}
	binary.BigEndian.PutUint64(to[end-8:], uint64(size)*8)
	return end
}
