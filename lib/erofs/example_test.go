package erofs_test

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"

	"cfs/lib/erofs"
	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// A tree becomes an image, whose fs-verity digest depends on the tree alone, and the
// image a tree again.
func Example() {
	root := tree.NewDir(0o755)
	root.Put("greeting", &tree.Inode{Mode: unix.S_IFREG | 0o644, Size: 6, Inline: "hello\n"})
	root.Put("large", &tree.Inode{Mode: unix.S_IFREG | 0o644, Size: 1000, Object: verity.SHA256.Sum(make([]byte, 1000))})

	var image bytes.Buffer
	if err := erofs.Write(&image, root, variant.V1); err != nil {
		panic(err)
	}
	fmt.Println(image.Len(), "bytes,", verity.SHA256.Sum(image.Bytes()))

	r, err := erofs.Open(image.Bytes())
	if err != nil {
		panic(err)
	}
	back, err := r.Tree()
	if err != nil {
		panic(err)
	}
	for path, n := range tree.Walk(back) {
		fmt.Printf("%s %o %d\n", path, n.Mode, n.Size)
	}
	// Output:
	// 16384 bytes, ef4b8bf3bff1b618c8c8e704c3f7161db30e9b9475a8897e1a2994d260833c39
	// / 40755 0
	// /greeting 100644 6
	// /large 100644 1000
}
