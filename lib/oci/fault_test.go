package oci_test

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/internal/repotest"
	"cfs/lib/lookup"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/splitstream"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// twoImages returns a repository with an image whose config refers to EROFS images of two
// formats, and a link that brings one of them.
func twoImages(t *testing.T) (*repo.Repo, *oci.Image, func() *oci.Link) {
	t.Helper()
	r := repotest.New(t, verity.SHA256)
	source := repotest.Image{Layers: []repotest.Layer{addA(t, r)}}
	l := source.Link(t)
	repotest.AddEROFS(t, r, l, variant.V1)
	repotest.AddEROFS(t, r, l, variant.V2)
	image := repotest.Write(t, r, l)
	return r, image, func() *oci.Link {
		l := source.Link(t)
		l.Images[variant.Variant{Format: variant.V1}] = image.Config.Images["composefs.image.v1"]
		return l
	}
}

// wantReferences checks that a config has the references that it had.
func wantReferences(t *testing.T, r *repo.Repo, before *oci.Image) {
	t.Helper()
	c, err := oci.OpenNamedConfig(r, before.Config.Digest)
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(c.Images, before.Config.Images) {
		t.Errorf("EROFS images %v, want %v", c.Images, before.Config.Images)
	}
}

// TestUnreadConfig: a config that cannot be read this time keeps its references to the EROFS
// images that the link does not bring: linking fails.
func TestUnreadConfig(t *testing.T) {
	r, image, link := twoImages(t)
	before := repotest.List(t, r)
	for n := 0; ; n++ {
		var err error
		l := link()
		repotest.Starve(t, n, func() { _, err = l.Write(r) })
		wantReferences(t, r, image)
		repotest.WantList(t, r, before)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EMFILE) || corrupt.IsDamage(err) {
			t.Errorf("with %d descriptors: %v", n, err)
		}
	}
	for name, id := range map[string]verity.ID{"stream": image.Config.ID, "JSON": verity.SHA256.Sum(image.Config.JSON)} {
		var err error
		l := link()
		repotest.Deny(t, r, "objects/"+id.ObjectPath(), func() { _, err = l.Write(r) })
		if !errors.Is(err, fs.ErrPermission) || corrupt.IsDamage(err) {
			t.Errorf("%s: %v", name, err)
		}
		wantReferences(t, r, image)
	}
}

// TestFault2Whole: a layer of which an object has been lost was linked all the same, as its
// stream was there.
func TestFault2Whole(t *testing.T) {
	for _, artifact := range []bool{false, true} {
		r := repotest.New(t, verity.SHA256)
		layer, content := addA(t, r), repotest.Text("a", 100)
		if artifact {
			content = "blob"
			layer = repotest.AddBlob(t, r, content)
		}
		lost := verity.SHA256.Sum([]byte(content))
		held := repotest.Image{Artifact: artifact, Layers: []repotest.Layer{layer}}
		repotest.Write(t, r, held.Link(t))
		repotest.Lose(t, r, lost)

		repotest.Write(t, r, held.Link(t)) // which holds it already: a check tells
		before := repotest.List(t, r)
		fresh := repotest.Image{Artifact: artifact, Layers: []repotest.Layer{layer}, Note: "another"}
		if !artifact {
			fresh.Labels = map[string]string{"another": "config"}
		}
		_, err := fresh.Link(t).Write(r)
		if !errors.Is(err, oci.ErrIncomplete) || !corrupt.Is(err) || !strings.Contains(err.Error(), lost.String()+" is missing") {
			t.Errorf("artifact %v: %v", artifact, err)
		}
		repotest.WantList(t, r, before)
		if _, _, err := r.Objects.PutBytes([]byte(content)); err != nil {
			t.Fatal(err)
		}
		repotest.Write(t, r, fresh.Link(t))
	}
}

// TestFault2Listing: that the objects could not be listed says nothing about the layer.
func TestFault2Listing(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	l := repotest.Image{Layers: []repotest.Layer{addA(t, r)}}.Link(t)
	var err error
	repotest.Deny(t, r, "objects/"+verity.SHA256.Sum([]byte(repotest.Text("a", 100))).ObjectPath()[:2], func() { _, err = l.Write(r) })
	if !errors.Is(err, fs.ErrPermission) || corrupt.IsDamage(err) {
		t.Errorf("got %v", err)
	}
	repotest.Write(t, r, l)
}

// TestFault8: a list of tags that is not complete was a list of tags.
func TestFault8(t *testing.T) {
	r, a, _ := tagged(t)
	setTag(t, r, "a", a)
	repotest.Point(t, r, "streams/refs/oci/host/b", "../../../oci-manifest-"+a.String())
	for name, want := range map[string]int{"streams/refs/oci": 0, "streams/refs/oci/host": 1, "streams/refs": 0} {
		var tags []oci.NamedManifest
		var strays []error
		var err error
		repotest.Deny(t, r, name, func() { tags, strays, err = oci.Tags(r) })
		if !errors.Is(err, fs.ErrPermission) || len(tags) != want || strays != nil {
			t.Errorf("%s: tags %v, %v, %v", name, tags, strays, err)
		}
	}
	repotest.Point(t, r, "streams/refs/oci/folder", "/elsewhere")
	if tags, strays, err := oci.Tags(r); err == nil || len(tags) != 2 || strays != nil {
		t.Errorf("a link in the place of a folder: %v, %v, %v", tags, strays, err)
	}
}

// TestUnread: errors of reading a stream, a config or an EROFS image are no damage of it.
func TestUnread(t *testing.T) {
	r, image, _ := twoImages(t)
	erofs := image.Config.Images["composefs.image.v1"]
	for name, open := range map[string]func() error{
		"stream": func() error {
			_, closer, err := oci.OpenStream(r, image.Config.ID)
			if err == nil {
				err = closer.Close()
			}
			return err
		},
		"config":   func() error { _, err := oci.OpenNamedConfig(r, image.Config.Digest); return err },
		"manifest": func() error { _, err := oci.OpenManifest(r, image.Manifest.Digest); return err },
		"image":    func() error { _, err := oci.OpenImage(r, image.Manifest.Digest); return err },
		"EROFS":    func() error { _, err := oci.OpenEROFS(r, erofs); return err },
		"format":   func() error { _, err := oci.EROFSFormat(r, erofs); return err },
		"stored":   func() error { _, err := oci.Stored(r, image.Keys[0], true); return err },
		"find":     func() error { _, err := lookup.Image(r, image.Config.Digest.String()); return err },
		"finding":  func() error { _, err := lookup.Image(r, image.Config.Digest.Encoded()[:12]); return err },
		"reach":    func() error { return oci.NewReach(r, func(error) {}).AddStream(image.Manifest.ID) },
		"mounted":  func() error { return oci.NewReach(r, func(error) {}).AddMounted([]string{erofs.String(), "refs/none"}) },
		"lease":    func() error { return oci.Lease(r, image.Manifest.Digest, oci.LayerName(image.Keys[0])) },
	} {
		for n := 0; ; n++ {
			var err error
			repotest.Starve(t, n, func() { err = open() })
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
}

// TestUnreadCut: whether two streams have the same bytes cannot be told if one of them, or an
// object of it, cannot be read.
func TestUnreadCut(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	layer := addA(t, r)
	other := storeUncut(t, r, layer.Tar)
	l := repotest.Image{Layers: []repotest.Layer{layer}}.Link(t)
	l.Streams[l.Keys[0]] = other
	var err error
	repotest.Deny(t, r, "objects/"+other.ObjectPath(), func() { _, err = l.Write(r) })
	if !errors.Is(err, fs.ErrPermission) || corrupt.IsDamage(err) {
		t.Errorf("got %v", err)
	}
	repotest.Write(t, r, l)
}

// storeUncut stores a tar as the stream of a layer that has all of it in itself, as no rule
// says, and returns it.
func storeUncut(t *testing.T, r *repo.Repo, tar []byte) verity.ID {
	t.Helper()
	w, err := splitstream.NewWriter(r.Algorithm, splitstream.Layer, r.Objects.Temp)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	var file bytes.Buffer
	if _, err := w.Write(tar); err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(&file); err != nil {
		t.Fatal(err)
	}
	id, _, err := r.Objects.PutBytes(file.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestFault15: the name of a config led to another one, whose EROFS images the next pull took
// over. Such a config is as good as none.
func TestFault15(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	a := repotest.Image{Layers: []repotest.Layer{addA(t, r)}}
	b := repotest.Image{Layers: []repotest.Layer{addA(t, r)}, Note: "b", Labels: map[string]string{"b": "b"}}
	first := repotest.Pull(t, r, "a", a)
	l := b.Link(t)
	repotest.AddEROFS(t, r, l, variant.V1)
	l.Images[variant.Variant{Boot: true, Format: variant.V1}] = repotest.AddEROFS(t, r, l, variant.V1)
	other := repotest.Write(t, r, l)
	if len(other.Config.Images) != 2 {
		t.Fatal(other.Config.Images)
	}
	if err := r.Link(repo.Streams, oci.ConfigName(first.Config.Digest), other.Config.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := oci.OpenNamedConfig(r, first.Config.Digest); !corrupt.Is(err) {
		t.Errorf("the wrong config was opened: %v", err)
	}
	repotest.Pull(t, r, "a", a)
	wantReferences(t, r, first)
}

// TestFault15Images: of the EROFS images that stay, one that needs an object which is in none of
// the layers is dropped; one that is lost may be made again.
func TestFault15Images(t *testing.T) {
	for what, ruin := range map[string]func(r *repo.Repo, own, foreign verity.ID) verity.ID{
		"foreign": func(_ *repo.Repo, _, foreign verity.ID) verity.ID { return foreign },
		"lost":    func(r *repo.Repo, own, _ verity.ID) verity.ID { repotest.Lose(t, r, own); return own },
		"own":     func(_ *repo.Repo, own, _ verity.ID) verity.ID { return own },
	} {
		r, image, link := twoImages(t)
		v2 := variant.Variant{Format: variant.V2}.Key()
		var odd []error
		r.Warn = func(err error) { odd = append(odd, err) }
		strange := repotest.Image{Layers: []repotest.Layer{repotest.AddLayer(t, r, repotest.File("strange", repotest.Text("strange", 5000)))}}.Link(t)
		foreign := repotest.AddEROFS(t, r, strange, variant.V2)
		refs := map[string]verity.ID{}
		for key, id := range image.Config.Layers {
			refs[key.String()] = id
		}
		maps.Copy(refs, image.Config.Images)
		refs[v2] = ruin(r, image.Config.Images[v2], foreign)
		forged := repotest.Document(t, r, "ociconfg", image.Config.JSON, refs)
		if err := r.Link(repo.Streams, oci.ConfigName(image.Config.Digest), forged); err != nil {
			t.Fatal(err)
		}
		got := repotest.Write(t, r, link())
		_, stayed := got.Config.Images[v2]
		if stayed != (what != "foreign") || len(got.Config.Images) == 0 || (len(odd) == 1) == stayed {
			t.Errorf("%s: it has %v, told of %v", what, got.Config.Images, odd)
		}
	}
}
