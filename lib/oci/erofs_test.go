package oci_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"

	"cfs/lib/corrupt"
	"cfs/lib/internal/repotest"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// smallTree returns a tree with one file, which is inline.
func smallTree() *tree.Inode {
	root := tree.NewDir(0o755)
	root.Put("a", &tree.Inode{Mode: 0o100644, Size: 5, Inline: "hello"})
	return root
}

func storeImage(t *testing.T, r *repo.Repo, f variant.Format) verity.ID {
	t.Helper()
	id, err := oci.StoreImage(r, smallTree(), f)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestStoreImage: an image is named under images/, can be opened, and is what was stored;
// to store it again changes nothing, and makes what is missing.
func TestStoreImage(t *testing.T) {
	repotest.EachAlgorithm(t, func(t *testing.T, a verity.Algorithm) {
		for _, f := range []variant.Format{variant.V0, variant.V1, variant.V2} {
			r := repotest.New(t, a)
			id := storeImage(t, r, f)
			image, err := oci.OpenEROFS(r, id)
			if err != nil || image.Format() != f {
				t.Fatalf("format %d: %v", f, err)
			}
			root, err := image.Tree()
			if err != nil || root.Lookup("a").Inline != "hello" {
				t.Errorf("format %d: %v", f, err)
			}
			if got, err := oci.EROFSFormat(r, id); err != nil || got != f {
				t.Errorf("format %d: %d, %v", f, got, err)
			}
			before := repotest.List(t, r)
			for name, lose := range map[string]func(){
				"nothing":  func() {},
				"its name": func() { r.RemoveName(repo.Images, id.String()) },
				"itself":   func() { repotest.Lose(t, r, id) },
			} {
				if lose(); storeImage(t, r, f) != id {
					t.Errorf("format %d, without %s: another image", f, name)
				}
				repotest.WantList(t, r, before)
			}
		}
	})
}

// TestStoreFails: what cannot be written to its end is not stored, and leaves nothing.
func TestStoreFails(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	before := repotest.List(t, r)
	broken := errors.New("broken")
	_, err := oci.StoreEROFS(r, func(w io.Writer) error {
		if _, err := w.Write(bytes.Repeat([]byte("x"), 2<<20)); err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "EROFS image: ") {
		t.Errorf("got %v", err)
	}
	root := tree.NewDir(0o755)
	root.Put("a/b", smallTree())
	if id, err := oci.StoreImage(r, root, variant.V1); err == nil {
		t.Errorf("stored %s, in which a name has a slash", id)
	}
	repotest.WantList(t, r, before)
}

// TestOpenEROFS: what is wrong with an image is told apart: not there, or damaged.
func TestOpenEROFS(t *testing.T) {
	for _, v := range []struct {
		name    string
		do      func(t *testing.T, r *repo.Repo, id verity.ID)
		corrupt bool
		want    string
		format  bool // EROFSFormat sees it as well
	}{
		{"no name", func(t *testing.T, r *repo.Repo, id verity.ID) {
			if err := r.RemoveName(repo.Images, id.String()); err != nil {
				t.Fatal(err)
			}
		}, false, "EROFS image: images/", true},
		{"missing", func(t *testing.T, r *repo.Repo, id verity.ID) { repotest.Lose(t, r, id) }, false, "EROFS image: object ", true},
		{"named as another", func(t *testing.T, r *repo.Repo, id verity.ID) {
			if err := r.Link(repo.Images, id.String(), storeImage(t, r, variant.V2)); err != nil {
				t.Fatal(err)
			}
		}, true, " points to the object ", true},
		{"a byte is another", func(t *testing.T, r *repo.Repo, id verity.ID) { repotest.Flip(t, r, id, -1) }, true, "its content has a different digest", false},
		{"empty", func(t *testing.T, r *repo.Repo, id verity.ID) { repotest.Replace(t, r, id, nil) }, true, "EROFS image ", true},
	} {
		t.Run(v.name, func(t *testing.T) {
			r := repotest.New(t, verity.SHA256)
			id := storeImage(t, r, variant.V1)
			v.do(t, r, id)
			_, err := oci.OpenEROFS(r, id)
			wantKind(t, err, v.corrupt, v.want)
			if _, err := oci.EROFSFormat(r, id); v.format {
				wantKind(t, err, v.corrupt, "EROFS")
			} else if err != nil {
				t.Errorf("its format: %v", err)
			}
		})
	}
}

// wantKind checks that an error is of damage, or else of absence.
func wantKind(t *testing.T, err error, damage bool, want string) {
	t.Helper()
	if err == nil || corrupt.Is(err) != damage || errors.Is(err, fs.ErrNotExist) == damage || damage && !strings.Contains(err.Error(), want) && want != "EROFS" {
		t.Errorf("got %v: corrupt %v, not found %v", err, corrupt.Is(err), errors.Is(err, fs.ErrNotExist))
	}
}

// TestNoEROFS: an object that is whole need not be an image.
func TestNoEROFS(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	id, _, err := r.Objects.PutBytes(bytes.Repeat([]byte("no image"), 1000))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Link(repo.Images, id.String(), id); err != nil {
		t.Fatal(err)
	}
	if _, err := oci.OpenEROFS(r, id); !corrupt.Is(err) {
		t.Errorf("opened: %v", err)
	}
	if _, err := oci.EROFSFormat(r, id); !corrupt.Is(err) {
		t.Errorf("its format: %v", err)
	}
}

// TestNameImage: a ref to an image is made and moved.
func TestNameImage(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	for _, f := range []variant.Format{variant.V1, variant.V2} {
		id := storeImage(t, r, f)
		for range 2 {
			if err := oci.NameImage(r, "a/b", id); err != nil {
				t.Fatal(err)
			}
			if name, err := r.Ref(repo.Images, "a/b"); err != nil || name != id.String() {
				t.Errorf("the ref leads to %s, %v", name, err)
			}
		}
	}
	if err := oci.NameImage(r, "a/../b", storeImage(t, r, variant.V1)); err == nil {
		t.Error("a ref goes up")
	}
}

// TestOpenContent: the content of a file, inline or an object, which is read once more
// before it is believed.
func TestOpenContent(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	text := repotest.Text("a", 100)
	id, _, err := r.Objects.PutBytes([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	inline := &tree.Inode{Mode: 0o100644, Size: 5, Inline: "hello"}
	external := &tree.Inode{Mode: 0o100644, Size: 100, Object: id}
	for want, n := range map[string]*tree.Inode{"hello": inline, text: external, "": {Mode: 0o100644}} {
		f, err := oci.OpenContent(r, n)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(f)
		if err = errors.Join(err, f.Close()); err != nil || string(got) != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	repotest.Flip(t, r, id, 50)
	if _, err := oci.OpenContent(r, external); !corrupt.Is(err) {
		t.Errorf("damaged: %v", err)
	}
	repotest.Lose(t, r, id)
	if _, err := oci.OpenContent(r, external); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
}
