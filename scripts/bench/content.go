package main

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
)

// file is a file of a made-up image. Its content follows from the seed.
type file struct {
	path string // relative, in a folder of 100
	size int
	seed uint64
}

// shape is what an image is made of.
type shape struct {
	layers []part
	size   func(*rand.Rand) int // of a file
}

// part is a layer: how many files it has, and the seed of all of them.
type part struct {
	files int
	seed  uint64
}

// split returns an image of so many files, of which each layer has some percent.
func split(files int, size func(*rand.Rand) int, seed uint64, percent ...int) shape {
	s := shape{size: size}
	for i, p := range percent {
		s.layers = append(s.layers, part{max(1, files*p/100), seed<<8 + uint64(i)})
	}
	return s
}

// system has sizes like those of a distribution: half of the files below 5 KB, 33 KB on
// the average.
func system(r *rand.Rand) int { return min(int(math.Exp(8.5+1.93*r.NormFloat64())), 64<<20) }

// tiny files are of less than a block, one in ten so small that it is stored inline.
func tiny(r *rand.Rand) int { return 1 + r.IntN(600) }

// small files are of a few blocks.
func small(r *rand.Rand) int { return 65 + r.IntN(8000) }

// sized returns a size for all files.
func sized(n int) func(*rand.Rand) int { return func(*rand.Rand) int { return n } }

// layer lists the files of a layer in the order of their paths.
func (s shape) layer(i int) (files []file) {
	r := rand.New(rand.NewPCG(s.layers[i].seed, 0))
	for k := range s.layers[i].files {
		path := fmt.Sprintf("usr/layer-%d/dir-%05d/file-%02d.so", i, k/100, k%100)
		files = append(files, file{path, s.size(r), r.Uint64()})
	}
	return files
}

// files counts those of all layers.
func (s shape) files() (n int) {
	for _, p := range s.layers {
		n += p.files
	}
	return n
}

// words are what contents are made of. They fit into the window of gzip, so that contents are
// compressed to about two fifths, as programs are.
var words = func() []byte {
	w := make([]byte, 12<<10)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range w {
		w[i] = byte(r.Uint32())
	}
	return w
}()

// write writes the content of a file: its seed first, so that no two are alike.
func (f file) write(w io.Writer) error {
	r := rand.New(rand.NewPCG(f.seed, 3))
	buf := make([]byte, 0, 64<<10)
	for left := f.size; left > 0; left -= len(buf) {
		buf = fill(buf[:0], min(left, cap(buf)), r)
		if _, err := w.Write(buf); err != nil {
			return err
		}
	}
	return nil
}

// fill appends words until there are n bytes, each after four bytes that are random.
func fill(buf []byte, n int, r *rand.Rand) []byte {
	for len(buf) < n {
		x := r.Uint64()
		buf = append(buf, byte(x), byte(x>>8), byte(x>>16), byte(x>>24))
		at := int(x >> 32 % uint64(len(words)-40))
		buf = append(buf, words[at:at+8+int(x>>59)]...)
	}
	return buf[:n]
}
