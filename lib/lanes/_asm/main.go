// Command _asm generates the assembly of package lanes. It is a separate module, so that the
// tools do not depend on the generator's dependencies.
package main

import (
	"math"
	"math/big"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

//go:generate go run . -out ../sha512_amd64.s -stubs ../sha512_amd64.go -pkg lanes

const (
	rounds    = 80
	words     = 16 // of a chunk, and of the message schedule that is kept
	chunkSize = words * 8
)

func main() {
	ConstraintExpr("!purego")
	k := constants()
	flip := shuffle("flip", 64, func(i int) int { return i&^7 | 7 - i&7 }) // big endian to little
	ror8 := shuffle("ror8", 32, func(i int) int { return i&^7 | (i+1)&7 }) // rotates by 8
	avx2(k, flip, ror8)
	avx512(k, flip)
	Generate()
}

// constants are the round constants of FIPS 180-4, section 4.2.3: the first 64 bits of the
// fractional parts of the cube roots of the first 80 primes.
func constants() Mem {
	k := GLOBL("k512", RODATA|NOPTR)
	n := 0
	for p := int64(2); n < rounds; p++ {
		if !big.NewInt(p).ProbablyPrime(0) {
			continue
		}
		// The cube root of p<<192 is that of p, with 64 bits behind the point.
		DATA(8*n, U64(cubeRoot(new(big.Int).Lsh(big.NewInt(p), 192)).Uint64()))
		n++
	}
	return k
}

// cubeRoot returns the largest integer whose cube is not larger than n.
func cubeRoot(n *big.Int) *big.Int {
	root := new(big.Int)
	for bit := 68; bit >= 0; bit-- {
		root.SetBit(root, bit, 1)
		if new(big.Int).Exp(root, big.NewInt(3), nil).Cmp(n) > 0 {
			root.SetBit(root, bit, 0)
		}
	}
	// Uint64 of what is longer is undefined by its documentation.
	return root.And(root, new(big.Int).SetUint64(math.MaxUint64))
}

// shuffle is a mask for VPSHUFB, which works in each 16 bytes of a register.
func shuffle(name string, size int, from func(int) int) Mem {
	m := GLOBL(name, RODATA|NOPTR)
	for i := range size {
		DATA(i, U8(from(i%16)))
	}
	return m
}
