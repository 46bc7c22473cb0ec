package repo_test

import (
	"fmt"
	"os"
	"strings"

	"cfs/lib/flock"
	"cfs/lib/repo"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// A repository is made and opened; an object is stored in it, made durable, and only then
// given a name.
func Example() {
	dir, err := os.MkdirTemp("", "repo")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := dir + "/repo"
	err = repo.Init(path, repo.New{Algorithm: verity.SHA256, Formats: []variant.Format{variant.V1}, Insecure: true})
	if err != nil {
		panic(err)
	}
	r, err := repo.Open(path, flock.Lock{}) // a shared lock, until Close
	if err != nil {
		panic(err)
	}
	defer r.Close()

	text := strings.Repeat("hello\n", 1000)
	id, stored, err := r.Objects.Put(strings.NewReader(text), int64(len(text)))
	if err != nil {
		panic(err)
	}
	fmt.Println(stored, id)
	if err := r.Sync(); err != nil {
		panic(err)
	}
	if err := r.Link(repo.Streams, "greeting", id); err != nil {
		panic(err)
	}
	if err := r.SyncNames(); err != nil {
		panic(err)
	}
	found, err := r.Lookup(repo.Streams, "greeting")
	fmt.Println(found == id, err)
	// Output:
	// true 0257f47250342e8cfd5d1f773f5a9299e41f4102b8ec3aebb1a2ce9df473a375
	// true <nil>
}
