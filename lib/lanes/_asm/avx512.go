package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Truth tables for VPTERNLOGQ, whose first operand is its third and last argument.
const (
	xor3   = 0x96
	choose = 0xca // the second where the first is 1, else the third
	most   = 0xe8
)

// avx512 makes sha512x8: eight lanes. The working variables are in Z0 to Z7, the last 16
// words of the message schedule in Z16 to Z31.
func avx512(k, flip Mem) {
	TEXT("sha512x8", NOSPLIT, "func(state *[64]uint64, messages *[8]*byte, chunks int)")
	Doc("sha512x8 hashes that many chunks of 128 bytes of each message into its lane of the state,", "whose word i of lane l is at 8*i+l.")
	Pragma("noescape")
	x := &eight{state: Mem{Base: Load(Param("state"), GP64())}}
	list := Load(Param("messages"), GP64())
	for i := range x.messages {
		x.messages[i] = GP64()
		MOVQ(Mem{Base: list, Disp: 8 * i}, x.messages[i])
	}
	chunks := Load(Param("chunks"), GP64())
	x.constants = GP64()
	x.offset = GP64()
	XORQ(x.offset, x.offset)
	v := []VecPhysical{Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7}
	for i := range v {
		VMOVDQU64(x.state.Offset(64*i), v[i])
	}

	Label("chunk8")
	x.load(flip)
	LEAQ(k, x.constants)
	for i := range words {
		x.round(i, v)
	}
	more := GP64()
	MOVQ(U32(rounds/words-1), more)
	Label("rounds8")
	ADDQ(U8(words*8), x.constants)
	for i := range words {
		x.next(i)
		x.round(i, v)
	}
	DECQ(more)
	JNZ(LabelRef("rounds8"))
	for i := range v {
		VPADDQ(x.state.Offset(64*i), v[i], v[i])
		VMOVDQU64(v[i], x.state.Offset(64*i))
	}
	ADDQ(U32(chunkSize), x.offset)
	DECQ(chunks)
	JNZ(LabelRef("chunk8"))
	VZEROUPPER()
	RET()
}

type eight struct {
	state             Mem
	messages          [8]GPVirtual
	constants, offset GPVirtual // of this round's first constant; of the chunk in each message
}

var schedule = []VecPhysical{Z16, Z17, Z18, Z19, Z20, Z21, Z22, Z23, Z24, Z25, Z26, Z27, Z28, Z29, Z30, Z31}

func word(i int) VecPhysical { return schedule[i%words] }

// load transposes the chunk of each message into the schedule: a register for each word,
// with that word of each lane.
func (x *eight) load(flip Mem) {
	r := []VecPhysical{Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15}
	for half := 0; half < words; half += 8 {
		w := schedule[half : half+8]
		for lane, m := range x.messages {
			VMOVDQU64(Mem{Base: m, Index: x.offset, Scale: 1, Disp: 8 * half}, r[lane])
		}
		for i := 0; i < 8; i += 2 { // words 0, 2, 4, 6 of two lanes; 1, 3, 5, 7
			VPUNPCKLQDQ(r[i+1], r[i], w[i])
			VPUNPCKHQDQ(r[i+1], r[i], w[i+1])
		}
		for i := 0; i < 8; i += 4 { // words j and j+4 of four lanes; j+2 and j+6
			for j := range 2 {
				VSHUFI64X2(U8(0x88), w[i+2+j], w[i+j], r[i+j])
				VSHUFI64X2(U8(0xdd), w[i+2+j], w[i+j], r[i+2+j])
			}
		}
		for j := range 4 {
			VSHUFI64X2(U8(0x88), r[4+j], r[j], w[j])
			VSHUFI64X2(U8(0xdd), r[4+j], r[j], w[4+j])
		}
	}
	VMOVDQU64(flip, Z8)
	for _, w := range schedule {
		VPSHUFB(Z8, w, w)
	}
}

// next makes the word of the schedule that is 16 behind word i, in its place.
func (x *eight) next(i int) {
	w := word(i)
	VPRORQ(U8(1), word(i+1), Z8)
	VPRORQ(U8(8), word(i+1), Z9)
	VPSRLQ(U8(7), word(i+1), Z10)
	VPTERNLOGQ(U8(xor3), Z10, Z9, Z8)
	VPRORQ(U8(19), word(i+14), Z11)
	VPRORQ(U8(61), word(i+14), Z12)
	VPSRLQ(U8(6), word(i+14), Z13)
	VPTERNLOGQ(U8(xor3), Z13, Z12, Z11)
	VPADDQ(word(i+9), w, w)
	VPADDQ(Z8, w, w)
	VPADDQ(Z11, w, w)
}

// round does a round with word i of the schedule. Instead of moving the variables on, the
// rounds name them otherwise.
func (x *eight) round(i int, v []VecPhysical) {
	at := func(n int) VecPhysical { return v[(n-i+2*words)%8] }
	a, b, c, d, e, f, g, h := at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7)
	VPADDQ(word(i), h, h)
	VPADDQ_BCST(Mem{Base: x.constants, Disp: 8 * i}, h, h)
	VPRORQ(U8(14), e, Z8)
	VPRORQ(U8(18), e, Z9)
	VPRORQ(U8(41), e, Z10)
	VPTERNLOGQ(U8(xor3), Z10, Z9, Z8)
	VMOVDQA64(e, Z11)
	VPTERNLOGQ(U8(choose), g, f, Z11)
	VPADDQ(Z11, h, h)
	VPADDQ(Z8, h, h)
	VPADDQ(h, d, d)
	VPRORQ(U8(28), a, Z12)
	VPRORQ(U8(34), a, Z13)
	VPRORQ(U8(39), a, Z14)
	VPTERNLOGQ(U8(xor3), Z14, Z13, Z12)
	VMOVDQA64(a, Z15)
	VPTERNLOGQ(U8(most), c, b, Z15)
	VPADDQ(Z12, h, h)
	VPADDQ(Z15, h, h)
}
