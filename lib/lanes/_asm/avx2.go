package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// avx2 makes sha512x4: four lanes, one in each quarter of a register. The working variables
// are in Y0 to Y7, the last 16 words of the message schedule on the stack.
func avx2(k, flip, ror8 Mem) {
	TEXT("sha512x4", NOSPLIT, "func(state *[64]uint64, messages *[8]*byte, chunks int)")
	Doc("sha512x4 hashes that many chunks of 128 bytes of each of the first four messages into its", "lane of the state, whose word i of lane l is at 4*i+l.")
	Pragma("noescape")
	x := &four{state: Mem{Base: Load(Param("state"), GP64())}, k: k, flip: flip, ror8: ror8}
	list := Load(Param("messages"), GP64())
	for i := range x.messages {
		x.messages[i] = GP64()
		MOVQ(Mem{Base: list, Disp: 8 * i}, x.messages[i])
	}
	chunks := Load(Param("chunks"), GP64())
	x.schedule = aligned(words*32, 32)
	x.constants = GP64()
	x.offset = GP64()
	XORQ(x.offset, x.offset)
	v := []VecPhysical{Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7}
	for i := range v {
		VMOVDQU(x.state.Offset(32*i), v[i])
	}

	Label("chunk4")
	x.load()
	LEAQ(k, x.constants)
	x.majority(v)
	for i := range words {
		x.round(i, v, x.word(i))
	}
	more := GP64()
	MOVQ(U32(rounds/words-1), more)
	Label("rounds4")
	ADDQ(U8(words*8), x.constants)
	for i := range words {
		x.round(i, v, x.next(i))
	}
	DECQ(more)
	JNZ(LabelRef("rounds4"))
	for i := range v {
		VPADDQ(x.state.Offset(32*i), v[i], v[i])
		VMOVDQU(v[i], x.state.Offset(32*i))
	}
	ADDQ(U32(chunkSize), x.offset)
	DECQ(chunks)
	JNZ(LabelRef("chunk4"))
	VZEROUPPER()
	RET()
}

type four struct {
	state, k, flip, ror8 Mem
	schedule             Mem
	messages             [4]GPVirtual
	constants, offset    GPVirtual // of this round's first constant; of the chunk in each message
}

// aligned returns room on the stack at an aligned address.
func aligned(size, align int) Mem {
	p := GP64()
	LEAQ(AllocLocal(size+align).Offset(align-1), p)
	ANDQ(I8(-align), p)
	return Mem{Base: p}
}

func (x *four) word(i int) Mem { return x.schedule.Offset(i % words * 32) }

// load transposes the chunk of each message into the schedule: a register for each word,
// with that word of each lane.
func (x *four) load() {
	for i := 0; i < words; i += 4 {
		r := []VecPhysical{Y8, Y9, Y10, Y11}
		for lane, m := range x.messages {
			VMOVDQU(Mem{Base: m, Index: x.offset, Scale: 1, Disp: 8 * i}, r[lane])
		}
		VPUNPCKLQDQ(r[1], r[0], Y12) // words 0 and 2 of lanes 0 and 1
		VPUNPCKHQDQ(r[1], r[0], Y13) // 1 and 3
		VPUNPCKLQDQ(r[3], r[2], Y14)
		VPUNPCKHQDQ(r[3], r[2], Y15)
		VPERM2I128(U8(0x20), Y14, Y12, r[0])
		VPERM2I128(U8(0x20), Y15, Y13, r[1])
		VPERM2I128(U8(0x31), Y14, Y12, r[2])
		VPERM2I128(U8(0x31), Y15, Y13, r[3])
		for j := range r {
			VPSHUFB(x.flip, r[j], r[j])
			VMOVDQA(r[j], x.word(i+j))
		}
	}
}

// next makes the word of the schedule that is 16 behind word i, and stores it in its place.
func (x *four) next(i int) VecPhysical {
	w := Y8
	VMOVDQA(x.word(i+1), Y9)
	VMOVDQA(x.word(i+14), Y10)
	VPSRLQ(U8(1), Y9, Y11)
	VPSLLQ(U8(63), Y9, Y12)
	VPXOR(Y11, Y12, Y11)
	VPSHUFB(x.ror8, Y9, Y12)
	VPSRLQ(U8(7), Y9, Y9)
	VPXOR(Y9, Y12, Y12)
	VPXOR(Y11, Y12, w)
	VPADDQ(x.word(i), w, w)
	x.rotate(Y10, Y9, 19, 61)
	VPSRLQ(U8(6), Y10, Y10)
	VPXOR(Y10, Y9, Y9)
	VPADDQ(x.word(i+9), w, w)
	VPADDQ(Y9, w, w)
	VMOVDQA(w, x.word(i))
	return w
}

// rotate sets out to the exclusive or of in rotated right by each of by. It needs Y11 and Y12.
func (x *four) rotate(in, out VecPhysical, by ...uint64) {
	for i, n := range by {
		right := Y11
		if i == 0 {
			right = out
		}
		VPSRLQ(U8(n), in, right)
		VPSLLQ(U8(64-n), in, Y12)
		VPXOR(Y12, out, out)
		if i > 0 {
			VPXOR(right, out, out)
		}
	}
}

// majority prepares the exclusive or of b and c for round 0, see round.
func (x *four) majority(v []VecPhysical) { VPXOR(v[1], v[2], Y14) }

// round does a round with a word of the schedule. Instead of moving the variables on, the
// rounds name them otherwise.
func (x *four) round(i int, v []VecPhysical, w Op) {
	at := func(n int) VecPhysical { return v[(n-i+2*words)%8] }
	a, b, d, e, f, g, h := at(0), at(1), at(3), at(4), at(5), at(6), at(7)
	VPADDQ(w, h, h)
	VPBROADCASTQ(Mem{Base: x.constants, Disp: 8 * i}, Y9)
	VPADDQ(Y9, h, h)
	x.rotate(e, Y10, 14, 18, 41)
	VPXOR(f, g, Y9)
	VPAND(e, Y9, Y9)
	VPXOR(g, Y9, Y9) // e chooses f or g
	VPADDQ(Y10, h, h)
	VPADDQ(Y9, h, h)
	VPADDQ(h, d, d)
	x.rotate(a, Y10, 28, 34, 39)
	// The majority is b where a is b or b is c, else a. What is a, b now is b, c next.
	ab, bc := Y15, Y14
	if i%2 == 1 {
		ab, bc = bc, ab
	}
	VPXOR(a, b, ab)
	VPAND(ab, bc, bc)
	VPXOR(b, bc, bc)
	VPADDQ(Y10, h, h)
	VPADDQ(bc, h, h)
}
