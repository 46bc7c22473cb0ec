package repo_test

import (
	"errors"
	"io/fs"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/flock"
	"cfs/lib/internal/repotest"
	"cfs/lib/repo"
	"cfs/lib/verity"
)

// TestUnread: what could not be read of a repository is not called damaged, and not missing.
func TestUnread(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	id, _, err := r.Objects.PutBytes([]byte("text"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.Link(repo.Streams, "name", id), r.SetRef(repo.Streams, "a/b/ref", "name")); err != nil {
		t.Fatal(err)
	}
	refs := func() error {
		for _, err := range r.Refs(repo.Streams, "") {
			if err != nil {
				return err
			}
		}
		return nil
	}
	for name, read := range map[string]func() error{
		"Open":      func() error { return closing(repo.Open(r.Path, flock.Lock{})) },
		"Lookup":    func() error { _, err := r.Lookup(repo.Streams, "name"); return err },
		"Names":     func() error { _, err := r.Names(repo.Streams); return err },
		"Ref":       func() error { _, err := r.Ref(repo.Streams, "a/b/ref"); return err },
		"Refs":      refs,
		"Leftovers": func() error { _, err := r.Leftovers(); return err },
	} {
		for n := 0; ; n++ {
			var err error
			repotest.Starve(t, n, func() { err = read() })
			if err == nil {
				if n == 0 {
					t.Errorf("%s: opens nothing", name)
				}
				break
			}
			if !errors.Is(err, unix.EMFILE) || corrupt.IsDamage(err) {
				t.Errorf("%s with %d descriptors: %v", name, n, err)
			}
		}
	}
	// A name that cannot be looked up does not dangle.
	repotest.Deny(t, r, "streams", func() {
		if r.Dangles(repo.Streams, "name") {
			t.Error("it dangles")
		}
	})
	if r.Dangles(repo.Streams, "name") || !r.Dangles(repo.Streams, "none") {
		t.Error("one of them dangles, and not that which does")
	}
}

func closing(r *repo.Repo, err error) error {
	if err != nil {
		return err
	}
	return r.Close()
}

// TestUnreadInit: a repository that cannot be looked at is not made anew.
func TestUnreadInit(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	before := repotest.List(t, r)
	repotest.Deny(t, r, ".", func() {
		if err := repo.Init(r.Path, repo.New{Algorithm: verity.SHA512, Insecure: true}); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("got %v", err)
		}
	})
	repotest.WantList(t, r, before)
}
