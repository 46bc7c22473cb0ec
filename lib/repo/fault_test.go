package repo_test

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/fd"
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

// TestFault16Refs: a symbolic link in the place of a folder of refs is not followed, and is no
// absence, wherever it leads. Below a ref there is nothing.
func TestFault16Refs(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	id, _, err := r.Objects.PutBytes([]byte("text"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.Link(repo.Streams, "name", id), r.SetRef(repo.Streams, "oci/tag", "name")); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Ref(repo.Streams, "oci/tag/below"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("below a ref: %v", err)
	}
	for _, dir := range []string{"streams/refs/oci", "streams/refs", "streams"} {
		if err := errors.Join(os.Rename(r.Path+"/"+dir, r.Path+"/away"), os.Symlink(r.Path+"/away", r.Path+"/"+dir)); err != nil {
			t.Fatal(err)
		}
		before := repotest.List(t, r)
		_, refErr := r.Ref(repo.Streams, "oci/tag")
		for what, err := range map[string]error{
			"read": refErr, "set": r.SetRef(repo.Streams, "oci/other", "name"), "removed": r.RemoveRef(repo.Streams, "oci/tag"),
			"all removed": r.RemoveRefs(repo.Streams, "oci/tag"), "synced": r.SyncNames(),
		} {
			var link *fd.Symlink
			if !errors.As(err, &link) || link.Name != dir || errors.Is(err, fs.ErrNotExist) || corrupt.IsDamage(err) {
				t.Errorf("%s is a link: %s: %v", dir, what, err)
			}
		}
		repotest.WantList(t, r, before)
		if err := errors.Join(os.Remove(r.Path+"/"+dir), os.Rename(r.Path+"/away", r.Path+"/"+dir)); err != nil {
			t.Fatal(err)
		}
	}
}
