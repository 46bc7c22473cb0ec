package erofs_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/erofs"
	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// largeTree returns a tree of n names, a fifth of them directories, in which
// every file has an object of its own and one of a few hundred labels.
func largeTree(n int) *tree.Inode {
	root := tree.NewDir(0o755)
	dirs := []*tree.Inode{root}
	for i := range n {
		parent := dirs[i/5]
		if i%5 == 0 {
			parent = dirs[i/20]
		}
		label := tree.Xattr{Name: "security.selinux", Value: fmt.Sprintf("system_u:object_r:type_%d_t:s0", i%300)}
		inode := &tree.Inode{
			Mode:   unix.S_IFREG | 0o644,
			Mtime:  tree.Time{Sec: 1700000000 + int64(i%1000)},
			Xattrs: []tree.Xattr{label},
			Size:   uint64(100 + i),
			Object: numberedID(i),
		}
		if i%5 == 0 {
			inode = tree.NewDir(0o755)
			inode.Xattrs = []tree.Xattr{label}
			dirs = append(dirs, inode)
		}
		parent.Put(fmt.Sprintf("entry-%d", i), inode)
	}
	return root
}

func numberedID(i int) verity.ID {
	sum := make([]byte, verity.SHA256.Size())
	binary.BigEndian.PutUint64(sum, uint64(i)*0x9e3779b97f4a7c15)
	return verity.SHA256.MakeID(sum)
}

var benchSizes = []int{10_000, 100_000, 1_000_000}

// The time for an entry is to be the same for all sizes.
func BenchmarkWrite(b *testing.B) {
	for _, n := range benchSizes {
		root := largeTree(n)
		for _, v := range []variant.Format{variant.V1, variant.V2} {
			b.Run(fmt.Sprintf("V%d/%d", v, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := erofs.Write(io.Discard, root, v); err != nil {
						b.Fatal(err)
					}
				}
				reportPerEntry(b, n)
			})
		}
	}
}

func reportPerEntry(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/entry")
}

func BenchmarkTree(b *testing.B) {
	benchmarkRead(b, func(img *erofs.Reader) error {
		_, err := img.Tree()
		return err
	})
}

func BenchmarkObjects(b *testing.B) {
	benchmarkRead(b, func(img *erofs.Reader) error {
		_, err := objectsOf(img)
		return err
	})
}

func benchmarkRead(b *testing.B, read func(*erofs.Reader) error) {
	for _, n := range benchSizes {
		var buf bytes.Buffer
		if err := erofs.Write(&buf, largeTree(n), variant.V1); err != nil {
			b.Fatal(err)
		}
		img, err := erofs.Open(buf.Bytes())
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := read(img); err != nil {
					b.Fatal(err)
				}
			}
			reportPerEntry(b, n)
		})
	}
}
