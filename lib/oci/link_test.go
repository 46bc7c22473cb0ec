package oci_test

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"cfs/lib/corrupt"
	"cfs/lib/internal/repotest"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/temporary"
	"cfs/lib/tolerance"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

func addA(t *testing.T, r *repo.Repo) repotest.Layer {
	t.Helper()
	return repotest.AddLayer(t, r, repotest.Dir("usr"), repotest.File("usr/a", repotest.Text("a", 100)))
}

func addB(t *testing.T, r *repo.Repo) repotest.Layer {
	t.Helper()
	return repotest.AddLayer(t, r, repotest.Dir("usr"), repotest.File("usr/b", repotest.Text("b", 100)))
}

// one returns a repository with an image of one layer.
func one(t *testing.T) (*repo.Repo, repotest.Image, *oci.Image) {
	t.Helper()
	r := repotest.New(t, verity.SHA256)
	source := repotest.Image{Layers: []repotest.Layer{addA(t, r)}}
	return r, source, repotest.Pull(t, r, "a", source)
}

func open(t *testing.T, r *repo.Repo, d digest.Digest) *oci.Image {
	t.Helper()
	image, err := oci.OpenImage(r, d)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// TestLink: what is linked can be opened, with all that was said of it; and to link it
// again changes nothing.
func TestLink(t *testing.T) {
	repotest.EachAlgorithm(t, func(t *testing.T, a verity.Algorithm) {
		r := repotest.New(t, a)
		source := repotest.Image{Layers: []repotest.Layer{addB(t, r), addA(t, r), addB(t, r)}} // one comes twice
		l := source.Link(t)
		want := map[string]verity.ID{
			"composefs.image.v1": repotest.AddEROFS(t, r, l, variant.V1), "composefs.image": repotest.AddEROFS(t, r, l, variant.V2),
		}
		l.Images[variant.Variant{Boot: true, Format: variant.V2}] = want["composefs.image"]
		want["composefs.image.boot"] = want["composefs.image"]
		wrote := repotest.Write(t, r, l)
		image := open(t, r, l.Digest)
		if image.Config.ID != wrote.Config.ID || image.Manifest.ID != wrote.Manifest.ID || image.Manifest.ConfigID != wrote.Config.ID {
			t.Error("the image is another one when it is opened again")
		}
		if string(image.Manifest.JSON) != string(source.Manifest(t)) || string(image.Config.JSON) != string(source.Config(t)) {
			t.Error("the JSON is another one")
		}
		if !maps.Equal(image.Config.Images, want) {
			t.Errorf("EROFS images %v, want %v", image.Config.Images, want)
		}
		if got := image.Config.ImageKeys(); !slices.Equal(got, []string{"composefs.image", "composefs.image.v1", "composefs.image.boot"}) {
			t.Errorf("keys of images %q", got)
		}
		if !slices.Equal(image.Keys, l.Keys) || len(image.Config.Layers) != 2 || len(image.Manifest.Streams) != 2 {
			t.Errorf("layers %v, of the config %v, of the manifest %v", image.Keys, image.Config.Layers, image.Manifest.Streams)
		}
		for i, key := range image.Keys {
			if image.Stream(key) != source.Layers[i].Stream || image.Config.Layers[key] != source.Layers[i].Stream {
				t.Errorf("layer %d has the stream %s, want %s", i, image.Stream(key), source.Layers[i].Stream)
			}
		}
		before := repotest.List(t, r)
		repotest.Write(t, r, l)
		repotest.WantList(t, r, before)
	})
}

// TestRelink: references to EROFS images that the config had stay, unless they are
// replaced: the formats 0 and 1 stand in the same place.
func TestRelink(t *testing.T) {
	r, source, first := one(t)
	v1 := first.Config.Images["composefs.image.v1"]
	l := source.Link(t)
	v2 := repotest.AddEROFS(t, r, l, variant.V2)
	both := repotest.Write(t, r, l)
	if want := map[string]verity.ID{"composefs.image": v2, "composefs.image.v1": v1}; !maps.Equal(both.Config.Images, want) {
		t.Errorf("after another format: %v, want %v", both.Config.Images, want)
	}
	if again := repotest.Write(t, r, source.Link(t)); !maps.Equal(again.Config.Images, both.Config.Images) || again.Config.ID != both.Config.ID {
		t.Errorf("after a link without images: %v", again.Config.Images)
	}
	l = source.Link(t)
	v0 := repotest.AddEROFS(t, r, l, variant.V0)
	image := repotest.Write(t, r, l)
	if want := map[string]verity.ID{"composefs.image": v2, "composefs.image.v1": v0}; v0 == v1 || !maps.Equal(image.Config.Images, want) {
		t.Errorf("after format 0: %v, want %v", image.Config.Images, want)
	}
}

// TestRelinkKeepsUnknown: boot images of kinds that later programs make stay.
func TestRelinkKeepsUnknown(t *testing.T) {
	r, source, image := one(t)
	refs := map[string]verity.ID{
		image.Keys[0].String(): source.Layers[0].Stream, "composefs.image.boot.later": image.Config.Images["composefs.image.v1"],
	}
	rename(t, r, "oci-config-"+image.Config.Digest.String(), repotest.Document(t, r, "ociconfg", image.Config.JSON, refs))
	l := source.Link(t)
	repotest.AddEROFS(t, r, l, variant.V2)
	got := repotest.Write(t, r, l).Config.ImageKeys()
	if !slices.Equal(got, []string{"composefs.image", "composefs.image.boot.later"}) {
		t.Errorf("keys of images %q", got)
	}
}

// rename gives a stream a name.
func rename(t *testing.T, r *repo.Repo, name string, id verity.ID) {
	t.Helper()
	if err := r.Link(repo.Streams, name, id); err != nil {
		t.Fatal(err)
	}
}

// TestSameStays: a stream that differs in the order of its references alone is left as
// it is: others compress and sort as they like.
func TestSameStays(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	source := repotest.Image{Layers: []repotest.Layer{addA(t, r), addB(t, r)}}
	if source.Layers[0].DiffID < source.Layers[1].DiffID { // so that they are not sorted by name
		slices.Reverse(source.Layers)
	}
	l := source.Link(t)
	refs := map[string]verity.ID{}
	for _, layer := range source.Layers {
		refs[layer.DiffID.String()] = layer.Stream
	}
	sorted := repotest.Document(t, r, "ociconfg", l.ConfigJSON, refs)
	rename(t, r, "oci-config-"+l.Manifest.Config.Digest.String(), sorted)
	if image := repotest.Write(t, r, l); image.Config.ID != sorted {
		t.Error("the config was written anew")
	}
	fresh := repotest.New(t, verity.SHA256)
	addA(t, fresh)
	addB(t, fresh)
	if image := repotest.Write(t, fresh, source.Link(t)); image.Config.ID == sorted {
		t.Error("the test is none: the order is the same")
	}
}

// TestDamagedConfig: one that is damaged or missing is written anew.
func TestDamagedConfig(t *testing.T) {
	for name, damage := range map[string]func(testing.TB, *repo.Repo, verity.ID){
		"damaged": func(t testing.TB, r *repo.Repo, id verity.ID) { repotest.Replace(t, r, id, []byte("nothing")) },
		"missing": repotest.Lose,
	} {
		t.Run(name, func(t *testing.T) {
			r, source, image := one(t)
			before := repotest.List(t, r)
			damage(t, r, image.Config.ID)
			damage(t, r, image.Manifest.ID)
			repotest.Pull(t, r, "a", source)
			repotest.WantList(t, r, before)
		})
	}
}

// TestLinkRefuses: what is claimed of layers and EROFS images is checked before anything
// is written. What has been garbage-collected is temporary (fault 10).
func TestLinkRefuses(t *testing.T) {
	plain := func(err error) bool { return !corrupt.Is(err) && !temporary.Is(err) && !errors.Is(err, fs.ErrNotExist) }
	v1 := variant.Variant{Format: variant.V1}
	for _, v := range []struct {
		name   string
		damage func(t *testing.T, r *repo.Repo, l *oci.Link)
		is     func(error) bool
		want   string
	}{
		{"no stream is claimed", func(t *testing.T, r *repo.Repo, l *oci.Link) { clear(l.Streams) }, plain, "no record names its stream"},
		{"the name is gone", func(t *testing.T, r *repo.Repo, l *oci.Link) {
			if err := r.RemoveName(repo.Streams, oci.LayerName(l.Keys[0])); err != nil {
				t.Fatal(err)
			}
		}, temporary.Is, "its stream no longer exists"},
		{"the stream is gone", func(t *testing.T, r *repo.Repo, l *oci.Link) { repotest.Lose(t, r, l.Streams[l.Keys[0]]) }, temporary.Is, "its stream no longer exists"},
		{"another stream is claimed", func(t *testing.T, r *repo.Repo, l *oci.Link) { l.Streams[l.Keys[0]] = addB(t, r).Stream }, corrupt.Is, "is claimed for it"},
		{"the name is no link", func(t *testing.T, r *repo.Repo, l *oci.Link) {
			name := oci.LayerName(l.Keys[0])
			if err := r.RemoveName(repo.Streams, name); err != nil {
				t.Fatal(err)
			}
			repotest.Stray(t, r, "streams/"+name)
		}, corrupt.Is, "is not a symbolic link"},
		{"the stream is damaged", func(t *testing.T, r *repo.Repo, l *oci.Link) { repotest.Flip(t, r, l.Streams[l.Keys[0]], 0) }, corrupt.Is, "magic not found"},
		{"the stream is no tar's", func(t *testing.T, r *repo.Repo, l *oci.Link) {
			blob := repotest.AddBlob(t, r, "blob")
			rename(t, r, oci.LayerName(l.Keys[0]), blob.Stream)
			l.Streams[l.Keys[0]] = blob.Stream
		}, corrupt.Is, `its stream is of type "oci_blob", want "ocilayer"`},
		{"no such EROFS image", func(t *testing.T, r *repo.Repo, l *oci.Link) { l.Images[v1] = verity.SHA256.Sum([]byte("no")) }, temporary.Is, "no longer exists"},
		{"the EROFS image has no name", func(t *testing.T, r *repo.Repo, l *oci.Link) {
			if err := r.RemoveName(repo.Images, l.Images[v1].String()); err != nil {
				t.Fatal(err)
			}
		}, temporary.Is, "no longer exists"},
		{"the EROFS image is of another format", func(t *testing.T, r *repo.Repo, l *oci.Link) {
			l.Images[variant.Variant{Format: variant.V2}] = l.Images[v1]
		}, corrupt.Is, "is of format 1, not 2"},
		{"the EROFS image is of other layers", func(t *testing.T, r *repo.Repo, l *oci.Link) {
			l.Images[v1] = repotest.AddEROFS(t, r, repotest.Image{Layers: []repotest.Layer{addB(t, r)}}.Link(t), variant.V1)
		}, corrupt.Is, "not of these layers"},
		{"the EROFS image is damaged", func(t *testing.T, r *repo.Repo, l *oci.Link) { repotest.Flip(t, r, l.Images[v1], -1) }, corrupt.Is, "its content has a different digest"},
	} {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			r := repotest.New(t, verity.SHA256)
			l := repotest.Image{Layers: []repotest.Layer{addA(t, r)}}.Link(t)
			repotest.AddEROFS(t, r, l, variant.V1)
			v.damage(t, r, l)
			before := repotest.List(t, r)
			_, err := l.Write(r)
			if err == nil || !v.is(err) || !strings.Contains(err.Error(), v.want) {
				t.Errorf("got %v (corrupt %v, temporary %v)", err, corrupt.Is(err), temporary.Is(err))
			}
			repotest.WantList(t, r, before)
		})
	}
}

// TestLinkedImageStays: an EROFS image that is referred to already, beside the same
// layers, was checked when it was linked, and is not read to its end again.
func TestLinkedImageStays(t *testing.T) {
	r, source, image := one(t)
	id := image.Config.Images["composefs.image.v1"]
	repotest.Flip(t, r, id, -1)
	l := source.Link(t)
	l.Images[variant.Variant{Format: variant.V1}] = id
	if _, err := l.Write(r); err != nil {
		t.Errorf("the same image again: %v", err)
	}
	l.Images[variant.Variant{Boot: true, Format: variant.V1}] = id
	if _, err := l.Write(r); !corrupt.Is(err) {
		t.Errorf("a damaged image in another place: %v", err)
	}
}

// TestDockerLink: the manifest of a config of Docker's type refers to the layers by their
// own digests too, by which the reference looks them up.
func TestDockerLink(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	layer := addA(t, r)
	image := repotest.Pull(t, r, "docker", repotest.Image{Docker: true, Layers: []repotest.Layer{layer}})
	var got []string
	for key, id := range image.Manifest.Streams {
		if id != layer.Stream {
			t.Errorf("%s leads to %s", key, id)
		}
		got = append(got, key.String())
	}
	slices.Sort(got)
	want := []string{layer.Digest.String(), layer.DiffID.String()}
	slices.Sort(want)
	if !slices.Equal(got, want) || !image.Manifest.IsContainer() || len(image.Config.Images) != 1 {
		t.Errorf("references %q, images %v", got, image.Config.Images)
	}
}

// TestArtifactLink: the config of an artifact, which others may share, refers to nothing,
// and stays whatever it refers to.
func TestArtifactLink(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	a, b := repotest.AddBlob(t, r, "a"), repotest.AddBlob(t, r, repotest.Text("b", 1000))
	first := repotest.Pull(t, r, "x", repotest.Image{Artifact: true, Layers: []repotest.Layer{a}})
	if len(first.Config.Layers) != 0 || first.Manifest.IsContainer() || first.Stream(first.Keys[0]) != a.Stream || first.Keys[0].String() != a.Digest.String() {
		t.Errorf("the config refers to %v, layer %s", first.Config.Layers, first.Keys[0])
	}
	odd := repotest.Document(t, r, "ociconfg", []byte("{}"), map[string]verity.ID{"x": a.Stream})
	rename(t, r, "oci-config-"+first.Config.Digest.String(), odd)
	second := repotest.Pull(t, r, "y", repotest.Image{Artifact: true, Layers: []repotest.Layer{b, a}})
	if second.Config.ID != odd {
		t.Error("the shared config was written anew")
	}
	if again := open(t, r, first.Manifest.Digest); again.Config.ID != first.Config.ID {
		t.Error("the first artifact has another config now")
	}
}

// TestNewLink: manifest and config must be what their digests say, and fit each other.
func TestNewLink(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	source := repotest.Image{Layers: []repotest.Layer{addA(t, r)}}
	manifest, config := source.Manifest(t), source.Config(t)
	empty := repotest.Image{}.Config(t)
	mixed := []byte(strings.ReplaceAll(string(manifest), digest.FromBytes(config).String(), digest.FromBytes(empty).String()))
	for _, v := range []struct {
		name             string
		digest           digest.Digest
		manifest, config []byte
		want             string
	}{
		{"the manifest is another", digest.FromString("x"), manifest, config, "stored JSON of "},
		{"no digest", "sha256:x", manifest, config, `digest "sha256:x"`},
		{"the manifest is no JSON", digest.FromString("{"), []byte("{"), config, "manifest: unexpected end of JSON input"},
		{"the config is another", digest.FromBytes(manifest), manifest, empty, "stored JSON of "},
		{"the config has fewer layers", digest.FromBytes(mixed), mixed, empty, "manifest with 1 layers, but its config"},
	} {
		if _, err := oci.NewLink(v.digest, v.manifest, v.config); !corrupt.Is(err) || !strings.Contains(err.Error(), v.want) {
			t.Errorf("%s: %v", v.name, err)
		}
	}
	if _, err := oci.NewLink(digest.FromBytes(manifest), manifest, config); err != nil {
		t.Error(err)
	}
}

// TestLinkTree: the tree is that of the layers, one upon the other; a stream that is not
// the one of its name is refused here too.
func TestLinkTree(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	upper := repotest.AddLayer(t, r, repotest.Dir("usr"), repotest.File("usr/a", "new"), repotest.File("usr/.wh.b", ""), repotest.File("link/x", "x"))
	source := repotest.Image{Layers: []repotest.Layer{addA(t, r), addB(t, r), upper}}
	l := source.Link(t)
	root, err := l.Tree(r, variant.AllowlistOnly, nil)
	if err != nil {
		t.Fatal(err)
	}
	usr := root.Lookup("usr")
	if a := usr.Lookup("a"); a == nil || a.Inline != "new" || usr.Len() != 1 || root.Lookup("link").Lookup("x") == nil {
		t.Errorf("usr has %v", usr.Entries())
	}
	if _, err := l.Tree(r, variant.AllowlistOnly, tolerance.Strict(true)); err == nil || !strings.Contains(err.Error(), `the directory "link" has no entry`) {
		t.Errorf("strict rules: %v", err)
	}
	image := repotest.Write(t, r, l)
	again, err := oci.Tree(r, image.Keys, image.Stream, variant.AllowlistOnly, nil)
	if err != nil || again.Lookup("usr").Len() != 1 {
		t.Errorf("the tree of the linked image: %v", err)
	}
	clear(image.Manifest.Streams)
	clear(image.Config.Layers)
	if _, err := oci.Tree(r, image.Keys, image.Stream, variant.AllowlistOnly, nil); !corrupt.Is(err) || !strings.Contains(err.Error(), "nothing refers to its stream") {
		t.Errorf("without references: %v", err)
	}
	repotest.Lose(t, r, source.Layers[1].Stream)
	if _, err := l.Tree(r, variant.AllowlistOnly, nil); !temporary.Is(err) {
		t.Errorf("with a layer missing: %v", err)
	}
}
