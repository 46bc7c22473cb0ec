package objects_test

import (
	"fmt"
	"log"
	"os"

	"cfs/lib/fd"
	"cfs/lib/objects"
	"cfs/lib/verity"
)

// A store in a folder of its own, as cfs-mkerofs --digest-store makes it.
func Example() {
	path, err := os.MkdirTemp("", "store-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(path)
	root, err := fd.OpenRoot(path)
	if err != nil {
		log.Fatal(err)
	}
	defer root.Close()
	store, err := objects.Open(root, ".", objects.Config{Algorithm: verity.SHA256})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	for range 2 {
		id, stored, err := store.PutBytes([]byte("hello\n"))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(id.ObjectPath(), stored)
	}
	if err := store.Sync(); err != nil {
		log.Fatal(err)
	}
	for id, err := range store.List() {
		if err != nil {
			log.Fatal(err)
		}
		text, err := store.Read(id, 100)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s", text)
	}
	// Output:
	// 9c/76eecc7b76fcb46199cb27b90cf59a660e10575bb0412128905129d5b1c2aa true
	// 9c/76eecc7b76fcb46199cb27b90cf59a660e10575bb0412128905129d5b1c2aa false
	// hello
}
