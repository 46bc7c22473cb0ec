package erofs_test

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"cfs/lib/corrupt"
	"cfs/lib/erofs"
	"cfs/lib/tree"
	"cfs/lib/variant"
)

// seedImages are small images with some of everything.
func seedImages(t testing.TB) [][]byte {
	var list [][]byte
	for seed := range uint64(12) {
		for _, v := range versions {
			if data, err := bytesOf(erofs.Write, newForest(seed, v).tree(5+int(seed)*5), v); err == nil {
				list = append(list, data)
			}
		}
	}
	if len(list) < 30 {
		t.Fatalf("only %d images", len(list))
	}
	return list
}

// readAll reads all that can be read of an image. Its errors are to be marked as
// being about corrupt data; a tree that it gives can be written, read and is then
// the same.
func readAll(t testing.TB, data []byte) {
	img, err := erofs.Open(data)
	if err != nil {
		checkCorrupt(t, err)
		return
	}
	readNodes(img, 50)
	if _, err := objectsOf(img); err != nil {
		checkCorrupt(t, err)
	}
	root, err := img.Tree()
	if err != nil {
		checkCorrupt(t, err)
		return
	}
	again, err := bytesOf(erofs.Write, root, img.Format())
	if err != nil {
		return // of the reader's limits and the writer's, these are narrower
	}
	got := readTree(t, again)
	if img.Format() == variant.V2 {
		dropNanoseconds(root)
	} else if hasOverlayXattr(root) {
		return // such names can be lost, as Tree says
	}
	if diff := sameTree(root, got); diff != "" {
		t.Fatalf("read, written and read: %s", diff)
	}
	if third := write(t, got, img.Format()); !bytes.Equal(third, again) {
		t.Fatal("other bytes when written a second time")
	}
}

func hasOverlayXattr(root *tree.Inode) bool {
	for _, n := range tree.Walk(root) {
		for _, x := range n.Xattrs {
			if strings.HasPrefix(x.Name, "trusted.overlay.") || strings.HasPrefix(x.Name, "user.overlay.") {
				return true
			}
		}
	}
	return false
}

func checkCorrupt(t testing.TB, err error) {
	if !corrupt.Is(err) {
		t.Fatalf("an error that is not about corrupt data: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	for _, data := range seedImages(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) { readAll(t, data) })
}

// Images with a few bytes changed are read or refused, and take memory only in
// proportion to what they are.
func TestMutatedImages(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: it takes seconds")
	}
	rng := rand.New(rand.NewPCG(1, 2))
	seeds := seedImages(t)
	for range 5000 {
		data := mutate(rng, bytes.Clone(seeds[rng.IntN(len(seeds))]))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		img, err := erofs.Open(data)
		if err == nil {
			_, err = img.Tree()
		}
		runtime.ReadMemStats(&after)
		if err != nil {
			checkCorrupt(t, err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 100*uint64(len(data)) {
			t.Fatalf("%d bytes of memory for an image of %d", used, len(data))
		}
		readAll(t, data)
	}
}

// mutate changes bytes where an image has some, and now and then cuts it.
func mutate(rng *rand.Rand, data []byte) []byte {
	odd := []byte{0, 1, 2, 4, 8, 12, 0x7f, 0x80, 0xff}
	for range 1 + rng.IntN(6) {
		i := rng.IntN(len(data))
		for tries := 0; data[i] == 0 && tries < 20; tries++ {
			i = 1024 + rng.IntN(len(data)-1024)
		}
		switch rng.IntN(4) {
		case 0:
			data[i] ^= 1 << rng.IntN(8)
		case 1:
			data[i] = odd[rng.IntN(len(odd))]
		case 2:
			data[i] += byte(rng.IntN(5)) - 2
		default: // another part of it
			n := min(1<<rng.IntN(7), len(data)-i)
			from := rng.IntN(len(data) - n + 1)
			copy(data[i:i+n], data[from:from+n])
		}
	}
	if rng.IntN(20) == 0 {
		data = data[:rng.IntN(len(data))]
	}
	return data
}
