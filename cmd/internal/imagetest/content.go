package imagetest

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
)

// Text returns n bytes of text that a seed gives.
func Text(seed uint64, n int) string {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, 0, n+17)
	for len(b) < n {
		b = append(strconv.AppendUint(b, r.Uint64(), 16), '\n')
	}
	return string(b[:n])
}

// Noise returns n bytes that a seed gives and that do not compress.
func Noise(seed uint64, n int) string {
	data := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(data)
	return string(data)
}

// NoiseLayers returns tars of a file each that does not compress.
func NoiseLayers(t testing.TB, seed uint64, sizes ...int) (layers [][]byte) {
	t.Helper()
	for i, size := range sizes {
		name := fmt.Sprintf("usr/random%d", i)
		layers = append(layers, Tar(t, Aged(Dir("usr", 0o755), File(name, Noise(seed+uint64(i)<<8, size)))...))
	}
	return layers
}

// SmallLayers returns three layers of few files, so that each step of a pull can be
// tried. One of their files is the same in all.
func SmallLayers(t testing.TB) (layers [][]byte) {
	t.Helper()
	same := Text(99, 300_000)
	for i := range 3 {
		layers = append(layers, Tar(t, Aged(
			Dir("usr", 0o755),
			File(fmt.Sprintf("usr/small%d", i), "small"),
			File(fmt.Sprintf("usr/file%d", i), Text(uint64(i), 3000)),
			File("usr/same", same),
		)...))
	}
	return layers
}

// ManyFiles returns five layers of together some 600 files, which remove, replace and
// link what is in those below.
func ManyFiles(t testing.TB) (layers [][]byte) {
	t.Helper()
	for i := range 5 {
		dir := fmt.Sprintf("usr/share/%d", i)
		members := []Member{Dir("usr", 0o755), Dir("usr/share", 0o755), Dir(dir, 0o755)}
		for j := range 120 {
			sizes := []int{0, 64, 65, 1000, 5000, 4096, 30000}
			members = append(members, File(fmt.Sprintf("%s/f%d", dir, j), Text(uint64(i*1000+j), sizes[j%len(sizes)])))
		}
		members = append(members,
			File(dir+"/large", Text(uint64(i), 400_000)),
			Hardlink(dir+"/hard link", dir+"/f3"),
			Symlink(dir+"/symbolic link", "f4"),
			File("usr/same", Text(7, 2000)),
			File("usr/other", Text(uint64(i), 2000)))
		if i > 0 {
			below := fmt.Sprintf("usr/share/%d", i-1)
			members = append(members, File(below+"/.wh.f5", ""), Hardlink(dir+"/of below", below+"/f6"))
		}
		layers = append(layers, Tar(t, Aged(members...)...))
	}
	return layers
}
