package oci_test

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"cfs/lib/corrupt"
	"cfs/lib/internal/repotest"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/verity"
)

// tagged returns a repository with two images that have no tags, and their digests.
func tagged(t *testing.T) (r *repo.Repo, a, b digest.Digest) {
	t.Helper()
	r = repotest.New(t, verity.SHA256)
	for i, d := range []*digest.Digest{&a, &b} {
		note := []string{"a", "b"}[i]
		*d = repotest.Write(t, r, repotest.Image{Note: note}.Link(t)).Manifest.Digest
	}
	return r, a, b
}

func setTag(t *testing.T, r *repo.Repo, name string, d digest.Digest) {
	t.Helper()
	if err := oci.SetTag(r, name, d); err != nil {
		t.Fatal(err)
	}
}

// TestTags: what can be a tag comes back as it was given, and is a link in one folder,
// which the reference makes too.
func TestTags(t *testing.T) {
	r, a, b := tagged(t)
	files := map[string]string{
		"latest": "latest", "docker://host/name:tag": "docker:%2F%2Fhost%2Fname:tag", "100%": "100%25", "%2F": "%252F", "größe": "größe",
		"a b": "a b", "..a": "..a", strings.Repeat("x", 255): strings.Repeat("x", 255), strings.Repeat("/", 85): strings.Repeat("%2F", 85),
	}
	var want []oci.NamedManifest
	for name, file := range files {
		setTag(t, r, name, a)
		want = append(want, oci.NamedManifest{Tag: name, Manifest: a})
		target, err := os.Readlink(r.Path + "/streams/refs/oci/" + file)
		if err != nil || target != "../../oci-manifest-"+a.String() {
			t.Errorf("tag %q: %q, %v", name, target, err)
		}
		if d, err := oci.Tag(r, name); err != nil || d != a {
			t.Errorf("tag %q points to %s, %v", name, d, err)
		}
	}
	slices.SortFunc(want, func(x, y oci.NamedManifest) int { return strings.Compare(x.Tag, y.Tag) })
	if got, strays, err := oci.Tags(r); strays != nil || err != nil || !slices.Equal(got, want) {
		t.Errorf("tags %v, strays %v, %v", got, strays, err)
	}
	for range 2 { // once moved, then the same again
		setTag(t, r, "latest", b)
		if d, err := oci.Tag(r, "latest"); err != nil || d != b {
			t.Errorf("moved, it leads to %s, %v", d, err)
		}
	}
	for name := range files {
		if err := oci.RemoveTag(r, name); err != nil {
			t.Error(err)
		}
		for what, err := range map[string]error{"remove": oci.RemoveTag(r, name), "look up": second(oci.Tag(r, name))} {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s tag %q, which is gone: %v", what, name, err)
			}
		}
	}
	if got, strays, err := oci.Tags(r); got != nil || strays != nil || err != nil {
		t.Errorf("left are %v, %v, %v", got, strays, err)
	}
}

func second[T any](_ T, err error) error { return err }

// TestNoTag: names that cannot be tags, and manifests that are not there.
func TestNoTag(t *testing.T) {
	r, a, _ := tagged(t)
	before := repotest.List(t, r)
	for _, name := range []string{"", ".", "..", "@" + a.String(), "a\x00b", strings.Repeat("x", 256), strings.Repeat("/", 86)} {
		if err := oci.SetTag(r, name, a); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("tag %q was made: %v", name, err)
		}
		if _, err := oci.Tag(r, name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("tag %q: %v", name, err)
		}
		if err := oci.RemoveTag(r, name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("remove %q: %v", name, err)
		}
	}
	if err := oci.SetTag(r, "x", digest.FromString("none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("tag of a manifest that is not there: %v", err)
	}
	repotest.WantList(t, r, before)
}

// TestOddTags: what others make among the tags.
func TestOddTags(t *testing.T) {
	r, a, b := tagged(t)
	setTag(t, r, "a", a)
	target := "oci-manifest-" + a.String()
	repotest.Point(t, r, "streams/refs/oci/@digest", "../../"+target)
	repotest.Point(t, r, "streams/refs/oci/host/name:1%25", "../../../"+target)
	repotest.Point(t, r, "streams/refs/oci/dangling", "../../oci-manifest-"+digest.FromString("none").String())
	repotest.Point(t, r, "streams/refs/oci/layer", "../../oci-layer-"+a.String())
	repotest.Point(t, r, "streams/refs/oci/bad", "../../oci-manifest-sha256:12")
	repotest.Stray(t, r, "streams/refs/oci/stray")

	tags, strays, err := oci.Tags(r)
	want := []oci.NamedManifest{{"@digest", a}, {"a", a}, {"dangling", digest.FromString("none")}, {"host/name:1%", a}}
	if err != nil || !slices.Equal(tags, want) {
		t.Errorf("tags %v, %v, want %v", tags, err, want)
	}
	var texts []string
	for _, w := range strays {
		texts = append(texts, w.Error())
	}
	repotest.WantLines(t, texts,
		`tag "bad" points to "oci-manifest-sha256:12", which is not a manifest`,
		`tag "layer" points to "oci-layer-`+a.String()+`", which is not a manifest`,
		"streams/refs/oci/stray is neither a symbolic link nor a directory")

	// A tag in a folder has the path as its name, unless there is one that is escaped.
	if d, err := oci.Tag(r, "host/name:1%"); err != nil || d != a {
		t.Errorf("a tag in a folder: %s, %v", d, err)
	}
	setTag(t, r, "host/name:1%", a) // there is one already
	repotest.Point(t, r, "streams/refs/oci/host%2Fname:1%25", "../../oci-manifest-"+b.String())
	if d, err := oci.Tag(r, "host/name:1%"); err != nil || d != b {
		t.Errorf("a tag beside one in a folder: %s, %v", d, err)
	}
	if err := oci.RemoveTag(r, "host/name:1%"); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"layer", "bad", "stray"} {
		if _, err := oci.Tag(r, name); !corrupt.Is(err) {
			t.Errorf("tag %q: %v", name, err)
		}
	}
	for _, name := range []string{"host/name:1%", "@digest", "dangling", "layer", "bad"} {
		if err := oci.RemoveTag(r, name); err != nil {
			t.Error(err)
		}
	}
	if tags, _, err := oci.Tags(r); err != nil || !slices.Equal(tags, []oci.NamedManifest{{"a", a}}) {
		t.Errorf("left are %v, %v", tags, err)
	}
	setTag(t, r, "host/name", a)
	if _, err := os.Lstat(r.Path + "/streams/refs/oci/host%2Fname"); err != nil {
		t.Errorf("a tag is made in a folder: %v", err)
	}
}

// TestNames: by which names a stream is looked for.
func TestNames(t *testing.T) {
	d := digest.FromString("x")
	if got := oci.Names(d); !slices.Equal(got, []string{"oci-manifest-" + d.String(), "oci-config-" + d.String(), "oci-layer-" + d.String(), "oci-blob-" + d.String()}) {
		t.Errorf("names %q", got)
	}
}
