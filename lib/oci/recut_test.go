package oci_test

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"cfs/lib/blob"
	"cfs/lib/corrupt"
	"cfs/lib/internal/repotest"
	"cfs/lib/layer"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/variant"
	"cfs/lib/verity"
	"cfs/testdata/rawtar"
)

// hiding returns a layer in which a symbolic link has a size, as of a body that a file
// hides in. The reference, and earlier versions, keep all of it literally.
func hiding(size int) []byte {
	inside := rawtar.File("usr/hidden", strings.Repeat("hidden ", size/7+1)[:size])
	link := rawtar.Symlink("usr/l", "x")
	link.Content = string(inside.Bytes())
	return rawtar.Tar(rawtar.Dir("usr/"), link, rawtar.File("usr/z", "z"))
}

// TestRecut: a stream that was cut by other rules is cut anew when it is merged, and takes
// the place of the old one; another image keeps that, and can be merged too.
func TestRecut(t *testing.T) {
	for _, size := range []int{65, 300_000} {
		r := repotest.New(t, verity.SHA256)
		tar := hiding(size)
		key := digest.FromBytes(tar)
		old := repotest.AddUncut(t, r, tar, key)
		plain := repotest.AddLayer(t, r, repotest.File("usr/a", "a"))
		before := repotest.Write(t, r, repotest.Image{Layers: []repotest.Layer{old}, Note: "linked before"}.Link(t))

		l := repotest.Image{Layers: []repotest.Layer{plain, old, plain, old}}.Link(t)
		root, err := l.Tree(r, variant.AllowlistOnly, nil)
		if err != nil {
			t.Fatal(err)
		}
		if n := root.Lookup("usr").Lookup("hidden"); n == nil || n.Size != uint64(size) || !repotest.Exists(r, n.Object) {
			t.Errorf("hidden file of %d bytes: %+v", size, n)
		}
		id := l.Streams[oci.Key(key)]
		if named, err := r.Lookup(repo.Streams, oci.LayerName(oci.Key(key))); err != nil || named != id || id == old.Stream {
			t.Errorf("stream %s, named %s (%v), was %s", id, named, err, old.Stream)
		}
		fresh := repotest.New(t, verity.SHA256)
		done, err := oci.ImportLayer(context.Background(), fresh, bytes.NewReader(tar), blob.None, oci.Source{Size: -1})
		if err != nil || done.Stream != id {
			t.Errorf("an import has the stream %s, not %s: %v", done.Stream, id, err)
		}

		// The other image keeps its stream, and what it says is still true.
		if got := before.Stream(oci.Key(key)); got != old.Stream || !repotest.Exists(r, got) {
			t.Errorf("the image has the stream %s, had %s", got, old.Stream)
		}
		again := repotest.Image{Layers: []repotest.Layer{old}}.Link(t)
		if _, err := again.Tree(r, variant.AllowlistOnly, nil); err != nil || again.Streams[oci.Key(key)] != id {
			t.Errorf("with the old stream: %v", err)
		}
		repotest.AddEROFS(t, r, again, variant.V1)
		if got := repotest.Write(t, r, again).Stream(oci.Key(key)); got != id {
			t.Errorf("linked anew it has the stream %s, not %s", got, id)
		}
	}
}

// TestRecutForOnce: who only looks at an image changes nothing.
func TestRecutForOnce(t *testing.T) {
	r := repotest.New(t, verity.SHA512)
	tar := hiding(65)
	key := digest.FromBytes(tar)
	old := repotest.AddUncut(t, r, tar, key)
	list := repotest.List(t, r)
	root, err := oci.Tree(r, []oci.Key{oci.Key(key)}, func(oci.Key) verity.ID { return old.Stream }, variant.AllowlistOnly, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := root.Lookup("usr").Lookup("hidden"); n == nil || n.Object.IsZero() {
		t.Errorf("hidden file: %+v", n)
	}
	repotest.WantList(t, r, list)
}

// TestRecutDamaged: a stream that is damaged, or not the layer's, is refused as before.
func TestRecutDamaged(t *testing.T) {
	tar := hiding(65)
	for name, c := range map[string]struct {
		tar []byte
		key digest.Digest
	}{
		"of another layer": {tar, digest.FromString("another")},
		"no tar":           {[]byte(strings.Repeat("no tar ", 100)), digest.FromBytes([]byte(strings.Repeat("no tar ", 100)))},
	} {
		r := repotest.New(t, verity.SHA256)
		old := repotest.AddUncut(t, r, c.tar, c.key)
		l := repotest.Image{Layers: []repotest.Layer{old}}.Link(t)
		if _, err := l.Tree(r, variant.AllowlistOnly, nil); !corrupt.Is(err) || !strings.Contains(err.Error(), "layer "+c.key.String()) {
			t.Errorf("%s: %v", name, err)
		}
		if l.Streams[oci.Key(c.key)] != old.Stream {
			t.Errorf("%s: the stream is %s", name, l.Streams[oci.Key(c.key)])
		}
		named, err := r.Lookup(repo.Streams, oci.LayerName(oci.Key(c.key)))
		if err != nil || named != old.Stream {
			t.Errorf("%s: the name leads to %s, %v", name, named, err)
		}
	}
}

// TestReadLayer: members are read as they are, however the stream is cut, and what is
// damaged is told after all that could be read.
func TestReadLayer(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	names := func(id verity.ID) (list []string, err error) {
		err = oci.ReadLayer(r, id, func(l *layer.Reader) error {
			for {
				m, _, _, err := l.Next()
				if err == io.EOF {
					return nil
				}
				if err != nil {
					return err
				}
				list = append(list, m.Name)
			}
		})
		return list, err
	}
	tar := hiding(65)
	want := []string{"usr/", "usr/l", "usr/hidden", "usr/z"}
	if got, err := names(repotest.AddUncut(t, r, tar, digest.FromBytes(tar)).Stream); err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	tar = append(tar[:1536:1536], "no tar"...)
	if got, err := names(repotest.AddUncut(t, r, tar, digest.FromBytes(tar)).Stream); !corrupt.Is(err) || !slices.Equal(got, want[:2]) {
		t.Errorf("damaged: %q, %v", got, err)
	}
	blob := repotest.AddBlob(t, r, "no layer")
	if _, err := names(blob.Stream); !corrupt.Is(err) {
		t.Errorf("a blob: %v", err)
	}
}
