package fsck_test

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"cfs/lib/corrupt"
	"cfs/lib/fsck"
	"cfs/lib/internal/repotest"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

const (
	zeros  = "00000000000000000000000000000000000000000000000000000000000000"
	noKey  = "sha256:00" + zeros
	noBlob = "oci-layer-" + noKey
)

// damages are what can happen to the image a, and the problems that are found then.
var damages = []struct {
	name   string
	do     func(f *fixture)
	strict bool // seen with Content only
	stays  bool // what is no part of an image is not repaired
	want   []string
	tags   fsck.Count // 2 of 2 if not given
}{
	{
		name: "bytes of a file",
		do:   func(f *fixture) { repotest.Flip(f.t, f.Repo, f.file, 3) },
		want: []string{
			"fsck: object-digest-mismatch: objects/FILE: object FILE: its content has the digest OTHER",
			"fsck: missing-object-ref: streams/oci-layer-LAYERKEY: FILE",
			"fsck: image-missing-object: images/EROFS: FILE",
			"fsck: layer-incomplete: a: layer LAYERKEY: lacks the object FILE",
			"fsck: erofs-image-incomplete: a: composefs.image.v1: EROFS image EROFS: lacks the object FILE",
		},
		tags: fsck.Count{Good: 1, Total: 2},
	},
	{
		name: "a file is missing",
		do:   func(f *fixture) { repotest.Lose(f.t, f.Repo, f.file) },
		want: []string{
			"fsck: missing-object-ref: streams/oci-layer-LAYERKEY: FILE",
			"fsck: image-missing-object: images/EROFS: FILE",
			"fsck: layer-incomplete: a: layer LAYERKEY: lacks the object FILE",
			"fsck: erofs-image-incomplete: a: composefs.image.v1: EROFS image EROFS: lacks the object FILE",
		},
		tags: fsck.Count{Good: 1, Total: 2},
	},
	{
		name: "a link in place of a file",
		do: func(f *fixture) {
			repotest.Lose(f.t, f.Repo, f.file)
			repotest.Point(f.t, f.Repo, "objects/"+f.file.ObjectPath(), "/etc/passwd")
		},
		want: []string{
			"fsck: object-open-failed: objects/FILE: object FILE: is not a regular file",
			"fsck: missing-object-ref: streams/oci-layer-LAYERKEY: FILE",
			"fsck: image-missing-object: images/EROFS: FILE",
			"fsck: layer-incomplete: a: layer LAYERKEY: lacks the object FILE",
			"fsck: erofs-image-incomplete: a: composefs.image.v1: EROFS image EROFS: lacks the object FILE",
		},
		tags: fsck.Count{Good: 1, Total: 2},
	},
	{
		name: "a folder in the place of a file",
		do: func(f *fixture) {
			repotest.Lose(f.t, f.Repo, f.file)
			repotest.Stray(f.t, f.Repo, "objects/"+f.file.ObjectPath()+"/x")
		},
		want: []string{
			"fsck: object-open-failed: objects/FILE: is not a regular file",
			"fsck: missing-object-ref: streams/oci-layer-LAYERKEY: FILE",
			"fsck: image-missing-object: images/EROFS: FILE",
			"fsck: layer-incomplete: a: layer LAYERKEY: lacks the object FILE",
			"fsck: erofs-image-incomplete: a: composefs.image.v1: EROFS image EROFS: lacks the object FILE",
		},
		tags: fsck.Count{Good: 1, Total: 2},
	},
	{
		name: "bytes of a layer",
		do:   func(f *fixture) { repotest.Flip(f.t, f.Repo, f.layer, -3) },
		want: []string{
			"fsck: object-digest-mismatch: objects/LAYER: object LAYER: its content has the digest OTHER",
			"fsck: missing-named-ref: streams/oci-config-CONFIGDIGEST: ref LAYERKEY: LAYER",
			"fsck: broken-symlink: streams/oci-layer-LAYERKEY: object LAYER is missing or damaged",
			"fsck: missing-named-ref: streams/oci-manifest-MANIFESTDIGEST: ref LAYERKEY: LAYER",
			"fsck: layer-object-missing: a: layer LAYERKEY: LAYER",
		},
		tags: fsck.Count{Good: 1, Total: 2},
	},
	{
		name: "a layer is missing",
		do:   func(f *fixture) { repotest.Lose(f.t, f.Repo, f.layer) },
		want: []string{
			"fsck: missing-named-ref: streams/oci-config-CONFIGDIGEST: ref LAYERKEY: LAYER",
			"fsck: broken-symlink: streams/oci-layer-LAYERKEY: object LAYER is missing or damaged",
			"fsck: missing-named-ref: streams/oci-manifest-MANIFESTDIGEST: ref LAYERKEY: LAYER",
			"fsck: layer-object-missing: a: layer LAYERKEY: LAYER",
		},
		tags: fsck.Count{Good: 1, Total: 2},
	},
	{
		name: "a layer has lost its name",
		do:   func(f *fixture) { f.remove("streams/oci-layer-" + f.image.Keys[0].String()) },
		want: []string{"fsck: layer-stream-missing: a: streams/oci-layer-LAYERKEY: no such file or directory"},
		tags: fsck.Count{Good: 1, Total: 2},
	},
	{
		name: "an object that is no stream has the name of one",
		do: func(f *fixture) {
			repotest.Point(f.t, f.Repo, "streams/oci-layer-"+f.image.Keys[0].String(), "../objects/"+f.file.ObjectPath())
		},
		want: []string{"fsck: stream-read-failed: streams/oci-layer-LAYERKEY: stream FILE: not a splitstream: magic not found"},
	},
	{
		name:   "a layer has the name of another",
		do:     func(f *fixture) { repotest.Point(f.t, f.Repo, "streams/"+noBlob, "../objects/"+f.layer.ObjectPath()) },
		strict: true,
		want:   []string{"fsck: stream-read-failed: streams/oci-layer-sha256:OTHER: its content has the digest LAYERKEY, not sha256:OTHER"},
	},
	{
		name: "the manifest is missing",
		do:   func(f *fixture) { repotest.Lose(f.t, f.Repo, f.image.Manifest.ID) },
		want: []string{
			"fsck: broken-symlink: streams/oci-manifest-MANIFESTDIGEST: object MANIFEST is missing or damaged",
			"fsck: manifest-read-failed: a: manifest MANIFESTDIGEST: object MANIFEST: no such file or directory",
		},
		tags: fsck.Count{Good: 1, Total: 2},
	},
	{
		name: "bytes of the EROFS image",
		do:   func(f *fixture) { repotest.Flip(f.t, f.Repo, f.erofs, 1024) },
		want: []string{
			"fsck: object-digest-mismatch: objects/EROFS: object EROFS: its content has the digest OTHER",
			"fsck: missing-named-ref: streams/oci-config-CONFIGDIGEST: ref composefs.image.v1: EROFS",
			"fsck: broken-symlink: images/EROFS: object EROFS is missing or damaged",
			"fsck: erofs-image-missing: a: composefs.image.v1: EROFS image EROFS: its content has a different digest",
		},
		tags: fsck.Count{Good: 1, Total: 2},
	},
	{
		name: "the EROFS image has lost its name",
		do:   func(f *fixture) { f.remove("images/" + f.erofs.String()) },
		want: []string{"fsck: erofs-image-missing: a: composefs.image.v1: EROFS image: images/EROFS: no such file or directory"},
		tags: fsck.Count{Good: 1, Total: 2},
	},
	{
		name: "an EROFS image has another name",
		do: func(f *fixture) {
			repotest.Point(f.t, f.Repo, "images/00"+zeros, "../objects/"+f.erofs.ObjectPath())
		},
		want: []string{"fsck: image-invalid: images/OTHER: points to the object EROFS"},
	},
	{
		name: "a file has the name of an EROFS image",
		do: func(f *fixture) {
			repotest.Point(f.t, f.Repo, "images/"+f.file.String(), "../objects/"+f.file.ObjectPath())
		},
		want: []string{"fsck: image-invalid: images/FILE: EROFS image FILE: an image of 100 bytes, too short for a superblock"},
	},
	{
		name:  "a stray among the objects",
		do:    func(f *fixture) { repotest.Stray(f.t, f.Repo, "objects/00/stray") },
		stays: true,
		want:  []string{"fsck: object-invalid-name: objects: objects/00/stray is no object"},
	},
	{
		name: "strays among the names and the refs",
		do: func(f *fixture) {
			repotest.Stray(f.t, f.Repo, "images/stray")
			repotest.Stray(f.t, f.Repo, "images/refs/stray")
			repotest.Point(f.t, f.Repo, "streams/stray", "/etc/passwd")
		},
		stays: true,
		want: []string{
			`fsck: entry-not-symlink: streams/stray: streams/stray: "/etc/passwd" is not an object of the repository`,
			"fsck: entry-not-symlink: images/stray: images/stray is not a symbolic link",
			"fsck: entry-not-symlink: images/refs: images/refs/stray is neither a symbolic link nor a directory",
		},
	},
	{
		name: "a tag leads nowhere",
		do: func(f *fixture) {
			repotest.Point(f.t, f.Repo, "streams/refs/oci/dangling", "../../oci-manifest-"+noKey)
		},
		stays: true,
		want: []string{
			"fsck: broken-symlink: streams/refs/oci/dangling: streams/oci-manifest-sha256:OTHER: no such file or directory",
			"fsck: manifest-read-failed: dangling: manifest sha256:OTHER: streams/oci-manifest-sha256:OTHER: no such file or directory",
		},
		tags: fsck.Count{Good: 2, Total: 3},
	},
	{
		name: "a tag leads to a layer",
		do: func(f *fixture) {
			repotest.Point(f.t, f.Repo, "streams/refs/oci/layer", "../../oci-layer-"+f.image.Keys[0].String())
		},
		stays: true,
		want:  []string{`fsck: ref-resolve-failed: streams/refs/oci: tag "layer" points to "oci-layer-LAYERKEY", which is not a manifest`},
	},
	{
		name: "a tag has an impossible name",
		do: func(f *fixture) {
			repotest.Point(f.t, f.Repo, "streams/refs/oci/@odd", "../../oci-manifest-"+f.image.Manifest.Digest.String())
		},
		stays: true,
		want:  []string{`fsck: invalid-ref-name: @odd: "@odd" cannot be a tag: a leading @ is for digests`},
		tags:  fsck.Count{Good: 3, Total: 3},
	},
}

// TestDamage: each kind of damage is found, and nothing else. What was damaged, and what
// is not whole without it, is removed by Repair, after which pulling again heals; and
// nothing of the other image is touched.
func TestDamage(t *testing.T) {
	for _, d := range damages {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			before := repotest.List(t, f.Repo)
			d.do(f)
			damaged := repotest.List(t, f.Repo)
			if d.strict {
				if _, problems := f.check(&fsck.Checker{}); problems != nil {
					t.Errorf("found without reading content: %q", problems)
				}
			}
			c := &fsck.Checker{Content: d.strict}
			report, problems := f.check(c)
			repotest.WantLines(t, problems, d.want...)
			if d.tags == (fsck.Count{}) {
				d.tags = fsck.Count{Good: 2, Total: 2}
			}
			if report.Tags != d.tags {
				t.Errorf("tags %+v, want %+v", report.Tags, d.tags)
			}
			repotest.WantList(t, f.Repo, damaged)
			f.wantOtherWhole()

			if _, _, err := c.Repair(); err != nil {
				t.Fatal(err)
			}
			f.wantOtherWhole()
			if d.stays {
				repotest.WantList(t, f.Repo, damaged)
				return
			}
			f.wantNoBrokenNames()
			f.pull()
			repotest.WantList(t, f.Repo, before)
			if report, problems := f.check(&fsck.Checker{Content: true}); problems != nil || report.Tags != (fsck.Count{Good: 2, Total: 2}) {
				t.Errorf("not healed: %+v, %q", report, problems)
			}
		})
	}
}

// wantNoBrokenNames checks that each name leads to an object.
func (f *fixture) wantNoBrokenNames() {
	f.t.Helper()
	for _, category := range []repo.Category{repo.Streams, repo.Images} {
		names, err := f.Names(category)
		if err != nil {
			f.t.Fatal(err)
		}
		for _, name := range names {
			id, err := f.Lookup(category, name)
			if err == nil {
				_, err = f.Objects.Size(id)
			}
			if err != nil {
				f.t.Errorf("%s/%s: %v", category, name, err)
			}
		}
	}
}

// wantOtherWhole checks the image b alone: what happens to the other one, and strays,
// are nothing to it.
func (f *fixture) wantOtherWhole() {
	f.t.Helper()
	report, problems := f.check(&fsck.Checker{Images: []string{"b"}})
	counts := []fsck.Count{report.Objects, report.Streams, report.Images, report.Tags}
	if problems != nil || !slices.Equal(counts, []fsck.Count{{Good: 7, Total: 7}, {Good: 3, Total: 3}, {Good: 1, Total: 1}, {Good: 1, Total: 1}}) {
		f.t.Errorf("of b: %+v, %q", report, problems)
	}
}

// TestOnlyOne: what is damaged of one image is found when that one is asked for.
func TestOnlyOne(t *testing.T) {
	f := newFixture(t)
	repotest.Flip(t, f.Repo, f.file, 0)
	report, problems := f.check(&fsck.Checker{Images: []string{"a"}})
	repotest.WantLines(t, problems, damages[0].want...)
	if report.Objects != (fsck.Count{Good: 6, Total: 7}) || report.Streams != (fsck.Count{Good: 2, Total: 3}) || report.Images != (fsck.Count{Total: 1}) || report.Tags != (fsck.Count{Total: 1}) {
		t.Errorf("counts %+v", report)
	}
	c := &fsck.Checker{Repo: f.Repo, Images: []string{"unknown"}}
	if _, err := c.Run(); !errors.Is(err, fs.ErrNotExist) || corrupt.Is(err) {
		t.Errorf("an unknown image: %v", err)
	}
	repotest.Lose(t, f.Repo, f.image.Manifest.ID)
	c = &fsck.Checker{Repo: f.Repo, Images: []string{"a"}}
	if _, err := c.Run(); !corrupt.Is(err) || !strings.HasPrefix(err.Error(), `tag "a": `) {
		t.Errorf("one whose manifest is missing: %v", err)
	}
}

// TestOddImages: what a config says of EROFS images must be so: that there is one, of the
// right format, and the one of an old seal.
func TestOddImages(t *testing.T) {
	f := newFixture(t)
	f.relink(func(l *oci.Link) { repotest.AddEROFS(t, f.Repo, l, variant.V2) })
	image, err := oci.OpenImage(f.Repo, f.image.Manifest.Digest)
	if err != nil {
		t.Fatal(err)
	}
	// The config's stream says that each image is the other.
	swapped := repotest.Document(t, f.Repo, "ociconfg", image.Config.JSON, map[string]verity.ID{
		image.Keys[0].String(): f.layer, "composefs.image": f.erofs, "composefs.image.v1": image.Config.Images["composefs.image"],
	})
	manifest := repotest.Document(t, f.Repo, "ocimanif", image.Manifest.JSON, map[string]verity.ID{
		"config:" + image.Config.Digest.String(): swapped, image.Keys[0].String(): f.layer,
	})
	repotest.Point(t, f.Repo, "streams/oci-config-"+image.Config.Digest.String(), "../objects/"+swapped.ObjectPath())
	repotest.Point(t, f.Repo, "streams/oci-manifest-"+image.Manifest.Digest.String(), "../objects/"+manifest.ObjectPath())
	_, problems := f.check(&fsck.Checker{})
	repotest.WantLines(t, problems,
		"fsck: erofs-image-missing: a: composefs.image: is of format 1",
		"fsck: erofs-image-missing: a: composefs.image.v1: is of format 2")

	// And a manifest that does not refer to its layer.
	config := repotest.Document(t, f.Repo, "ociconfg", image.Config.JSON, nil)
	manifest = repotest.Document(t, f.Repo, "ocimanif", image.Manifest.JSON, map[string]verity.ID{"config:" + image.Config.Digest.String(): config})
	repotest.Point(t, f.Repo, "streams/oci-manifest-"+image.Manifest.Digest.String(), "../objects/"+manifest.ObjectPath())
	_, problems = f.check(&fsck.Checker{})
	repotest.WantLines(t, problems, "fsck: layer-ref-missing: a: layer LAYERKEY")
}

// TestSeal: the EROFS image that a label names must be there.
func TestSeal(t *testing.T) {
	f := newFixture(t)
	for _, v := range []struct {
		seal string
		want []string
	}{
		{f.erofs.String(), nil},
		{"00" + zeros, []string{"fsck: seal-image-missing: a: EROFS image: images/OTHER: no such file or directory"}},
		{"no digest", []string{`fsck: seal-image-missing: a: "no digest" is not an fs-verity digest: want 64 or 128 hex digits`}},
	} {
		f.source.Labels = map[string]string{sealLabel: v.seal}
		f.image = repotest.Pull(t, f.Repo, "a", f.source)
		_, problems := f.check(&fsck.Checker{})
		repotest.WantLines(t, problems, v.want...)
	}
}
