package erofs_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"cfs/lib/corrupt"
	"cfs/lib/dumpfile"
	"cfs/lib/erofs"
	"cfs/lib/tree"
	"cfs/lib/variant"
)

// writeStored returns the dumpfile of an image in the form of composefs-info.
func writeStored(img *erofs.Reader) ([]byte, error) {
	root, stored, err := img.Stored()
	if err != nil {
		return nil, err
	}
	var dump bytes.Buffer
	err = dumpfile.WriteCompat(&dump, root, func(n *tree.Inode) (uint64, uint32, []tree.Xattr) {
		s := stored[n]
		return s.Size, s.Links, s.Xattrs
	})
	return dump.Bytes(), err
}

// TestStored checks that what composefs-info shows of an image makes it again.
func TestStored(t *testing.T) {
	for _, vec := range readVectors(t) {
		for _, v := range []variant.Format{variant.V0, variant.V1} {
			if vec.images[v].refused || vec.dump == nil {
				continue
			}
			root, err := dumpfile.Read(bytes.NewReader(vec.dump), dumpfile.Options{Compat: vec.compat})
			if err != nil {
				continue // which TestVectors judges, as what cannot be written
			}
			var image, again bytes.Buffer
			if err := erofs.Write(&image, root, v); err != nil {
				continue
			}
			img, err := erofs.Open(image.Bytes())
			if err != nil {
				t.Fatalf("%s: %v", vec.name, err)
			}
			dump, err := writeStored(img)
			if err == nil {
				root, err = dumpfile.Read(bytes.NewReader(dump), dumpfile.Options{Compat: vec.compat})
			}
			if err == nil {
				err = erofs.Write(&again, root, v)
			}
			if err != nil || !bytes.Equal(image.Bytes(), again.Bytes()) {
				t.Errorf("%s: V%d: not the same image again: %v", vec.name, v, err)
			}
		}
	}
}

// TestStoredHostile checks that a damaged image is refused as corrupt, or shown.
func TestStoredHostile(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: it takes seconds")
	}
	var image bytes.Buffer
	if err := erofs.Write(&image, largeTree(500), variant.V1); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		data := bytes.Clone(image.Bytes())
		for range 1 + random.IntN(4) {
			data[random.IntN(len(data))] = byte(random.IntN(256))
		}
		img, err := erofs.Open(data)
		if err == nil {
			_, err = writeStored(img)
		}
		if err != nil && !corrupt.Is(err) {
			t.Fatalf("not marked as corrupt: %v", err)
		}
	}
}
