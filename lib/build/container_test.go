package build_test

import (
	"errors"
	"io/fs"
	"testing"

	"cfs/lib/build"
	"cfs/lib/corrupt"
	"cfs/lib/internal/repotest"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/tolerance"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// pullBootable pulls an image that boots, as tag "t", whose files have extended attributes.
func pullBootable(t *testing.T, r *repo.Repo) *oci.Image {
	t.Helper()
	member := repotest.File("usr/small", "s")
	member.PAXRecords = map[string]string{"SCHILY.xattr.user.a": "b"}
	layer := repotest.AddLayer(t, r,
		repotest.Dir("usr"), member, repotest.File("usr/large", long), repotest.Dir("sysroot"), repotest.Dir("boot"), repotest.File("boot/kernel", long),
		repotest.Dir("etc"), repotest.Dir("etc/selinux"), repotest.File("etc/selinux/config", policyConfig), repotest.Dir("etc/selinux/mine"),
		repotest.Dir("etc/selinux/mine/contexts"), repotest.Dir("etc/selinux/mine/contexts/files"), repotest.File("etc/selinux/mine/contexts/files/file_contexts", policyRules),
	)
	return repotest.Pull(t, r, "t", repotest.Image{Layers: []repotest.Layer{layer}})
}

func readContainer(t *testing.T, in build.Input, operand string, w build.Wanted) (*build.Recipe, variant.Variant) {
	t.Helper()
	recipe, v, err := in.Container(operand, w)
	if err != nil {
		t.Fatal(err)
	}
	return recipe, v
}

// TestContainer: the plain image is the one that the pull has made; the boot image is of the
// tree that package boot makes of it. Both are in the default format, or another.
func TestContainer(t *testing.T) {
	repotest.EachAlgorithm(t, func(t *testing.T, a verity.Algorithm) {
		r := repotest.New(t, a, variant.V2, variant.V1)
		image := pullBootable(t, r)
		for _, f := range []variant.Format{variant.V2, variant.V1} {
			in := build.Input{Repo: r, Formats: []variant.Format{f}}
			if f == r.Formats[0] {
				in.Formats = nil
			}
			plain, v := readContainer(t, in, "t", build.Wanted{})
			want := variant.Variant{Format: f}
			if id := digestOf(t, plain); id != image.Config.Images[want.Key()] || v != want || plain.Algorithm != a || !plain.UnsignedTimes {
				t.Errorf("format %d: %s, %+v", f, id, v)
			}
			bootImage, v := readContainer(t, in, "t", build.Wanted{Bootable: true, Xattrs: variant.KeepUserXattrs})
			if want := (variant.Variant{Boot: true, Format: f, Xattrs: variant.KeepUserXattrs}); v != want {
				t.Errorf("it is %+v, not %+v", v, want)
			}
			small := bootImage.Root.Lookup("usr").Lookup("small")
			if x, _ := small.Xattr("user.a"); x != "b" || label(small) != "usr_t" || bootImage.Root.Lookup("boot").Len() != 0 {
				t.Errorf("the boot image: %q, %q", x, label(small))
			}
			if id, err := bootImage.Store(r, "boot"); err != nil || id != digestOf(t, bootImage) {
				t.Errorf("stored as %s, %v", id, err)
			}
		}
	})
}

// TestSearch: the variant of each boot image is found by its digest.
func TestSearch(t *testing.T) {
	r := repotest.New(t, verity.SHA512)
	pullBootable(t, r)
	for _, mode := range variant.XattrModes() {
		for _, f := range []variant.Format{variant.V1, variant.V2} {
			in := build.Input{Repo: r, Formats: []variant.Format{f}}
			want, v := readContainer(t, in, "t", build.Wanted{Bootable: true, Xattrs: mode})
			id := digestOf(t, want)
			got, found := readContainer(t, build.Input{Repo: r}, "t", build.Wanted{Bootable: true, Expected: id})
			if found != v || digestOf(t, got) != id {
				t.Errorf("%+v: found %+v", v, found)
			}
			if want := "boot image " + id.String() + ": --xattrs " + mode.String() + " --erofs-version " + string('0'+rune(f)); build.Found(id, v) != want {
				t.Errorf("%q, want %q", build.Found(id, v), want)
			}
		}
	}
	_, _, err := build.Input{Repo: r}.Container("t", build.Wanted{Bootable: true, Expected: verity.SHA512.Sum(nil)})
	if !corrupt.Is(err) {
		t.Errorf("a digest of nothing: %v", err)
	}
	_, _, err = build.Input{Repo: r}.Container("t", build.Wanted{Bootable: true, Expected: verity.SHA256.Sum(nil)})
	if _, ok := errors.AsType[*build.HashError](err); !ok || corrupt.Is(err) {
		t.Errorf("a digest by another hash: %v", err)
	}
}

// pulled returns the image as it is before it is linked.
func pulled(t *testing.T, r *repo.Repo, image *oci.Image) *build.Container {
	t.Helper()
	link, err := oci.NewLink(image.Manifest.Digest, image.Manifest.JSON, image.Config.JSON)
	must(t, err)
	for _, key := range link.Keys {
		link.Streams[key] = image.Stream(key)
	}
	c, err := build.Pulled(r, link, tolerance.Strict(true))
	must(t, err)
	return c
}

// TestSearchKnown: an image that the container has already is not made again, if it is whole.
func TestSearchKnown(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	c := pulled(t, r, pullBootable(t, r))
	want, v := readContainer(t, build.Input{Repo: r}, "t", build.Wanted{Bootable: true, Xattrs: variant.KeepUserXattrs})
	id, err := want.Store(r, "")
	must(t, err)
	known := map[string]verity.ID{v.Key(): id}
	search := func(what string, known map[string]verity.ID, again bool) {
		t.Helper()
		found, recipe, err := c.Search(id, known)
		if err != nil || found != v || (recipe != nil) != again {
			t.Errorf("%s: %+v, %v, %v", what, found, recipe, err)
		}
	}
	search("known", known, false)
	search("not known", nil, true)
	repotest.Flip(t, r, id, 1100)
	search("damaged", known, true)
	repotest.Lose(t, r, id)
	search("lost", known, true)
}

// TestReuse: a tree that was given back is the next one of the default mode, and no other.
func TestReuse(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	c := pulled(t, r, pullBootable(t, r))
	for _, mode := range []variant.XattrMode{variant.AllowlistOnly, variant.KeepUserXattrs} {
		root, err := c.Tree(variant.AllowlistOnly)
		must(t, err)
		c.Reuse(root)
		for i := range 2 {
			next, err := c.Tree(mode)
			must(t, err)
			if same := next == root; same != (i == 0 && mode == variant.AllowlistOnly) {
				t.Errorf("tree %d of %s: given back: %v", i, mode, same)
			}
		}
	}
}

// TestContainerNot: what is no container image, is not there, cannot boot, or is refused.
func TestContainerNot(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	layer := repotest.AddLayer(t, r, repotest.Dir("usr"), repotest.File("usr/large", long))
	repotest.Pull(t, r, "bare", repotest.Image{Layers: []repotest.Layer{layer}})
	docker := repotest.Pull(t, r, "docker", repotest.Image{Layers: []repotest.Layer{layer}, Docker: true})
	repotest.Pull(t, r, "artifact", repotest.Image{Layers: []repotest.Layer{repotest.AddBlob(t, r, "x")}, Artifact: true})
	in, expected := build.Input{Repo: r}, verity.SHA256.Sum(nil)
	for what, c := range map[string]struct {
		in      build.Input
		operand string
		build.Wanted
		is   error
		says string
	}{
		"no such tag":     {in, "none", build.Wanted{}, fs.ErrNotExist, `tag "none": no such tag`},
		"artifact":        {in, "artifact", build.Wanted{}, oci.ErrArtifact, "artifact is an artifact, not a container image"},
		"not bootable":    {in, "bare", build.Wanted{Bootable: true}, nil, "bare: boot image: /boot is missing: not a bootable image"},
		"nor as expected": {in, "bare", build.Wanted{Bootable: true, Expected: expected}, nil, "bare: boot image: /boot is missing: not a bootable image"},
		"Docker's types": {build.Input{Repo: r, Rules: tolerance.Strict(true)}, "docker", build.Wanted{}, tolerance.ErrRefused,
			docker.Manifest.Manifest.Config.Digest.String() + `: media type "application/vnd.docker.container.image.v1+json" refused by --strict`},
	} {
		_, _, err := c.in.Container(c.operand, c.Wanted)
		if err == nil || err.Error() != c.says || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v", what, err)
		}
	}
	readContainer(t, in, "docker", build.Wanted{})
	repotest.Lose(t, r, layer.Stream)
	if _, _, err := in.Container("bare", build.Wanted{Bootable: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without its layer: %v", err)
	}
}

// TestBroken: a broken boot entry is an error of the boot image alone, before the tree is
// changed.
func TestBroken(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	layer := repotest.AddLayer(t, r, repotest.Dir("usr"), repotest.Dir("sysroot"), repotest.Dir("boot"), repotest.Dir("boot/loader"),
		repotest.Dir("boot/loader/entries"), repotest.File("boot/loader/entries/a.conf", "linux /none\n"))
	repotest.Pull(t, r, "t", repotest.Image{Layers: []repotest.Layer{layer}})
	readContainer(t, build.Input{Repo: r}, "t", build.Wanted{})
	_, _, err := build.Input{Repo: r}.Container("t", build.Wanted{Bootable: true})
	if want := `t: boot image: "/boot/loader/entries/a.conf": "/none": "none" does not exist`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
