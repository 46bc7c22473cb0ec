package verity_test

import (
	"fmt"

	"cfs/lib/verity"
)

// The digest of a file is what the kernel measures once the file is protected. It can
// be computed anywhere, and is the path of the object below objects/.
func Example() {
	id := verity.SHA256.Sum([]byte("hello\n"))
	fmt.Println(id)
	fmt.Println(id.ObjectPath())

	back, err := verity.ParseID(id.String())
	fmt.Println(back == id, back.Algorithm(), err)
	// Output:
	// 9c76eecc7b76fcb46199cb27b90cf59a660e10575bb0412128905129d5b1c2aa
	// 9c/76eecc7b76fcb46199cb27b90cf59a660e10575bb0412128905129d5b1c2aa
	// true fsverity-sha256-12 <nil>
}

// A Hash takes what does not fit into memory, in pieces of any size.
func ExampleHash() {
	h := verity.SHA256.New()
	fmt.Fprint(h, "hel")
	fmt.Fprint(h, "lo\n")
	fmt.Println(h.ID() == verity.SHA256.Sum([]byte("hello\n")))
	// Output:
	// true
}
