package pull

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"cfs/lib/built"
	"cfs/lib/corrupt"
	"cfs/lib/internal/repotest"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/tolerance"
	"cfs/lib/variant"
	"cfs/lib/verity"
	"cfs/testdata/rawtar"
)

// remembering is an image that was made and linked, and whose layer cannot be merged any
// more: who makes it again sees the damage.
type remembering struct {
	t     *testing.T
	r     *repo.Repo
	lines []string // its records, without those of the images
	image repotest.Image
	ids   map[variant.Variant]verity.ID
	rules *tolerance.Rules // of the first time
}

var plainAndBoot = []variant.Variant{{Format: variant.V1}, {Boot: true, Format: variant.V1}}

func newRemembering(t *testing.T) *remembering {
	f := &remembering{t: t, r: repotest.New(t, verity.SHA256), ids: map[variant.Variant]verity.ID{}, rules: tolerance.Strict(false)}
	odd := rawtar.Symlink("usr/l", "x")
	odd.Content = string(rawtar.File("usr/hidden", "hidden").Bytes())
	tar := rawtar.Tar(rawtar.Dir("usr/"), rawtar.Dir("boot/"), rawtar.File("boot/x", "x"), rawtar.Dir("sysroot/"), odd)
	f.image = repotest.Image{Layers: []repotest.Layer{repotest.ImportLayer(t, f.r, tar)}}
	f.lines, _ = records(t, f.r, f.image)
	got := making(t, f.r, func(m *Maker) { m.Rules = f.rules; m.Boot.Bootable = true }, f.lines...)
	if got.err != nil || len(f.rules.Warnings()) != 1 {
		t.Fatalf("%v, warnings %q", got.err, f.rules.Warnings())
	}
	for _, v := range plainAndBoot {
		for _, line := range got.lines {
			rec, err := record.Parse(line)
			if err != nil {
				t.Fatal(err)
			}
			if image, err := ParseErofsImage(rec); err == nil && image.Variant == v {
				f.ids[v] = image.ID
			}
		}
	}
	f.link(plainAndBoot...)
	repotest.Flip(t, f.r, f.image.Layers[0].Stream, -3)
	return f
}

// link links the image with some EROFS images.
func (f *remembering) link(list ...variant.Variant) {
	f.t.Helper()
	link := f.image.Link(f.t)
	for _, v := range list {
		link.Images[v] = f.ids[v]
	}
	repotest.Write(f.t, f.r, link)
}

// TestRemembered: what is linked, and known to be made of the same layers, is not made
// again. Its warnings are repeated.
func TestRemembered(t *testing.T) {
	f := newRemembering(t)
	all := repotest.List(t, f.r)
	rules := tolerance.Strict(false)
	var images []string
	for _, v := range plainAndBoot {
		images = append(images, ErofsImage{ID: f.ids[v], Variant: v}.Record().String())
	}
	making(t, f.r, func(m *Maker) { m.Rules = rules; m.Boot.Bootable = true }, f.lines...).want(t, before(f.lines, images...))
	making(t, f.r, plainly, f.lines...).want(t, before(f.lines, images[:1]...))
	if !slices.Equal(rules.Warnings(), f.rules.Warnings()) {
		t.Errorf("%q, first %q", rules.Warnings(), f.rules.Warnings())
	}
	repotest.WantList(t, f.r, all)
}

// TestNotRemembered: in all other cases the image is made, which here fails.
func TestNotRemembered(t *testing.T) {
	note := func(f *remembering) string {
		return f.r.Path + "/cfs/built/" + f.image.Link(f.t).Manifest.Config.Digest.String()
	}
	rewrite := func(change func(string) string) func(*remembering) func(*Maker) {
		return func(f *remembering) func(*Maker) {
			text, err := os.ReadFile(note(f))
			if err == nil {
				err = os.WriteFile(note(f), []byte(change(string(text))), 0o644)
			}
			if err != nil {
				f.t.Fatal(err)
			}
			return plainly
		}
	}
	for name, change := range map[string]func(f *remembering) func(*Maker){
		"strict":         func(*remembering) func(*Maker) { return func(m *Maker) { m.Rules = tolerance.Strict(true) } },
		"another limit":  func(*remembering) func(*Maker) { return func(m *Maker) { m.Rules = &tolerance.Rules{MaxImplied: 1} } },
		"another format": func(*remembering) func(*Maker) { return func(m *Maker) { m.Formats = []variant.Format{variant.V2} } },
		"other xattrs": func(*remembering) func(*Maker) {
			return func(m *Maker) { m.Boot.Bootable, m.Boot.Xattrs = true, variant.KeepUserXattrs }
		},
		"an expected one": func(f *remembering) func(*Maker) {
			return func(m *Maker) { m.Boot.Bootable, m.Boot.Expected = true, f.ids[plainAndBoot[1]] }
		},
		"no memo":        func(f *remembering) func(*Maker) { os.Remove(note(f)); return plainly },
		"an empty memo":  rewrite(func(string) string { return "" }),
		"a cut memo":     rewrite(func(text string) string { return text[:strings.Index(text, "warning")] }),
		"other rules":    rewrite(func(text string) string { return strings.Replace(text, "rules 1\n", "rules 0\n", 1) }),
		"a wrong stream": rewrite(func(text string) string { return strings.Replace(text, "stream ", "stream 00", 1) }),
		"a cut image": func(f *remembering) func(*Maker) {
			os.Truncate(repotest.Path(f.r, f.ids[plainAndBoot[0]]), 4096)
			return plainly
		},
		"a lost image": func(f *remembering) func(*Maker) { repotest.Lose(f.t, f.r, f.ids[plainAndBoot[0]]); return plainly },
		"a lost name": func(f *remembering) func(*Maker) {
			os.Remove(f.r.Path + "/images/" + f.ids[plainAndBoot[0]].String())
			return plainly
		},
		"a config that refers to another image": func(f *remembering) func(*Maker) {
			link := f.image.Link(f.t)
			repotest.Point(f.t, f.r, "streams/oci-config-"+link.Manifest.Config.Digest.String(), "../objects/"+
				repotest.Document(f.t, f.r, "ociconfg", link.ConfigJSON, map[string]verity.ID{
					link.Keys[0].String(): f.image.Layers[0].Stream, "composefs.image.v1": f.ids[plainAndBoot[1]]}).ObjectPath())
			return plainly
		},
		"no config": func(f *remembering) func(*Maker) {
			os.Remove(f.r.Path + "/streams/oci-config-" + f.image.Link(f.t).Manifest.Config.Digest.String())
			return plainly
		},
	} {
		f := newRemembering(t)
		if got := making(t, f.r, change(f), f.lines...); !corrupt.Is(got.err) {
			t.Errorf("%s: %q, %v", name, got.lines, got.err)
		}
	}
}

// TestRememberedVariants: a memo keeps images of other variants.
func TestRememberedVariants(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	lines, c := bootable(t, r)
	for _, f := range []variant.Format{variant.V1, variant.V2, variant.V1} {
		making(t, r, func(m *Maker) { m.Formats = []variant.Format{f} }, lines...)
	}
	rec, err := record.Parse(lines[1])
	if err != nil {
		t.Fatal(err)
	}
	memo, err := built.Read(r, digest.Digest(rec.Digest))
	if err != nil || len(memo.Images) != 2 {
		t.Fatalf("%+v, %v", memo, err)
	}
	for _, v := range []variant.Variant{{Format: variant.V1}, {Format: variant.V2}} {
		_, id := image(t, r, c, v)
		if got, ok := memo.Image(v); !ok || got.ID != id {
			t.Errorf("%v: %v, want %s", v, got, id)
		}
	}
}

// TestTidy: a memo is removed when its config is.
func TestTidy(t *testing.T) {
	f := newRemembering(t)
	for _, want := range []int{1, 0} {
		if err := built.Tidy(f.r); err != nil {
			t.Fatal(err)
		}
		if names, err := f.r.Notes("built"); len(names) != want || err != nil {
			t.Errorf("%q, %v, want %d", names, err, want)
		}
		os.Remove(f.r.Path + "/streams/oci-config-" + f.image.Link(t).Manifest.Config.Digest.String())
	}
}
