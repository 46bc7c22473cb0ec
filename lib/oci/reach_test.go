package oci_test

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"cfs/lib/corrupt"
	"cfs/lib/internal/repotest"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// reach returns an empty set whose warnings fail the test.
func reach(t *testing.T, r *repo.Repo) *oci.Reach {
	return oci.NewReach(r, func(err error) {
		t.Helper()
		t.Errorf("warning: %v", err)
	})
}

func wantReach(t *testing.T, k *oci.Reach, want ...verity.ID) {
	t.Helper()
	sorted := func(ids []verity.ID) []verity.ID { slices.SortFunc(ids, verity.ID.Compare); return slices.Compact(ids) }
	got := sorted(slices.Collect(k.Objects.All()))
	if !slices.Equal(got, sorted(want)) {
		t.Errorf("reached %d objects, want %d:\n%v\n%v", len(got), len(want), got, want)
	}
	for _, id := range want {
		if !k.Has(id) {
			t.Errorf("%s is not in the set", id)
		}
	}
}

// TestReach: a manifest reaches all that its image has, and a config, a layer and an EROFS
// image each its part of that.
func TestReach(t *testing.T) {
	repotest.EachAlgorithm(t, func(t *testing.T, a verity.Algorithm) {
		r := repotest.New(t, a)
		repotest.Pull(t, r, "b", repotest.Image{Layers: []repotest.Layer{addB(t, r)}})
		layer := addA(t, r)
		image := repotest.Pull(t, r, "a", repotest.Image{Layers: []repotest.Layer{layer}})
		erofs := image.Config.Images["composefs.image.v1"]
		file := a.Sum([]byte(repotest.Text("a", 100)))
		inLayer := []verity.ID{layer.Stream, file}
		inConfig := append([]verity.ID{image.Config.ID, a.Sum(image.Config.JSON), erofs}, inLayer...)
		inManifest := append([]verity.ID{image.Manifest.ID, a.Sum(image.Manifest.JSON)}, inConfig...)
		for _, v := range []struct {
			name     string
			category repo.Category
			entry    string
			want     []verity.ID
		}{
			{"layer", repo.Streams, oci.LayerName(image.Keys[0]), inLayer},
			{"config", repo.Streams, "oci-config-" + image.Config.Digest.String(), inConfig},
			{"manifest", repo.Streams, oci.ManifestName(image.Manifest.Digest), inManifest},
			{"EROFS image", repo.Images, erofs.String(), []verity.ID{erofs, file}},
		} {
			t.Run(v.name, func(t *testing.T) {
				k := reach(t, r)
				for range 2 {
					if err := k.AddName(v.category, v.entry); err != nil {
						t.Fatal(err)
					}
				}
				wantReach(t, k, v.want...)
			})
		}
		// What was reached as a part is followed when it is added itself.
		k := reach(t, r)
		if err := errors.Join(k.AddName(repo.Streams, oci.ManifestName(image.Manifest.Digest)), k.AddImage(erofs)); err != nil {
			t.Fatal(err)
		}
		wantReach(t, k, inManifest...)
	})
}

// TestReachOldConfig: a manifest reaches the config that its stream refers to, not the one
// that has its name.
func TestReachOldConfig(t *testing.T) {
	r, source, old := one(t)
	l := source.Link(t)
	v2 := repotest.AddEROFS(t, r, l, variant.V2)
	rewritten := repotest.Write(t, r, l)
	k := reach(t, r)
	if err := k.AddStream(old.Manifest.ID); err != nil {
		t.Fatal(err)
	}
	if k.Has(v2) || k.Has(rewritten.Config.ID) || !k.Has(old.Config.ID) || rewritten.Config.ID == old.Config.ID {
		t.Error("reached is the new config")
	}
}

// TestReachOther: streams of kinds that are not ours may refer to streams, which are
// followed, and to objects.
func TestReachOther(t *testing.T) {
	r, _, image := one(t)
	plain, _, err := r.Objects.PutBytes([]byte("a plain object"))
	if err != nil {
		t.Fatal(err)
	}
	layer := image.Stream(image.Keys[0])
	file := verity.SHA256.Sum([]byte(repotest.Text("a", 100)))
	other := repotest.Document(t, r, "whatever", []byte("{}"), map[string]verity.ID{"one": plain, "two": layer})
	k := reach(t, r)
	if err := k.AddStream(other); err != nil {
		t.Fatal(err)
	}
	wantReach(t, k, other, verity.SHA256.Sum([]byte("{}")), plain, layer, file)

	repotest.Lose(t, r, plain)
	err = reach(t, r).AddStream(other)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), `reference "one"`) {
		t.Errorf("with an object missing: %v", err)
	}
}

// TestReachMissing: an EROFS image that a config refers to and that is missing is only
// warned of, since a pull makes it again; of all else, the error says what is missing.
func TestReachMissing(t *testing.T) {
	r, _, image := one(t)
	erofs := image.Config.Images["composefs.image.v1"]
	repotest.Lose(t, r, erofs)
	var warnings []string
	k := oci.NewReach(r, func(err error) { warnings = append(warnings, err.Error()) })
	if err := k.AddStream(image.Manifest.ID); err != nil || !k.Has(erofs) {
		t.Errorf("%v, in the set %v", err, k.Has(erofs))
	}
	repotest.WantLines(t, warnings, "EROFS image: object "+erofs.String()+": no such file or directory")

	k = reach(t, r)
	if err := k.AddImage(erofs); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the image itself: %v", err)
	}
	if err := k.AddName(repo.Streams, "none"); !errors.Is(err, fs.ErrNotExist) || corrupt.Is(err) {
		t.Errorf("a name that is not there: %v", err)
	}
	repotest.Lose(t, r, image.Stream(image.Keys[0]))
	err := oci.NewReach(r, func(error) {}).AddName(repo.Streams, oci.ManifestName(image.Manifest.Digest))
	if !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), "streams/oci-manifest-"+image.Manifest.Digest.String()+": stream ") {
		t.Errorf("with a layer missing: %v", err)
	}
}

// TestReachMounted: mounts tell the digest, or the ref, by which the image was mounted.
func TestReachMounted(t *testing.T) {
	r, _, image := one(t)
	erofs := image.Config.Images["composefs.image.v1"]
	file := verity.SHA256.Sum([]byte(repotest.Text("a", 100)))
	if err := oci.NameImage(r, "my/image", erofs); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{erofs.String(), strings.ToUpper(erofs.String()), "my/image", "refs/my/image"} {
		k := reach(t, r)
		if err := k.AddMounted([]string{name}); err != nil {
			t.Fatal(err)
		}
		wantReach(t, k, erofs, file)
	}
	k := reach(t, r)
	if err := k.AddMounted([]string{"", "..", "my", "/etc/passwd", verity.SHA256.Sum(nil).String(), verity.SHA512.Sum(nil).String()}); err != nil {
		t.Fatal(err)
	}
	wantReach(t, k)
	repotest.Flip(t, r, erofs, 1030)
	if err := k.AddMounted([]string{"my/image"}); !corrupt.Is(err) || !strings.HasPrefix(err.Error(), "mounted image: ") {
		t.Errorf("a damaged one: %v", err)
	}
	repotest.Lose(t, r, erofs)
	repotest.Point(t, r, "objects/"+erofs.ObjectPath(), "/etc/passwd") // neither absent nor damaged
	if err := reach(t, r).AddMounted([]string{"my/image"}); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("one that cannot be read: %v", err)
	}
}
