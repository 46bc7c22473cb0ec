package pull

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"cfs/lib/corrupt"
	"cfs/lib/internal/repotest"
	"cfs/lib/oci"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/temporary"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// incoming is an image whose layer is stored, and the records that a Linker gets of it.
type incoming struct {
	image                          repotest.Image
	link                           *oci.Link
	erofs                          verity.ID
	layer, config, plain, manifest string
}

// typed is the SOURCE in the record of the manifest.
const typed = "docker://example.com/app:1"

func newIncoming(t *testing.T, r *repo.Repo) incoming {
	t.Helper()
	tar := repotest.AddLayer(t, r, repotest.Dir("usr"), repotest.File("usr/a", repotest.Text("a", 5000)))
	i := incoming{image: repotest.Image{Layers: []repotest.Layer{tar}}}
	i.link = i.image.Link(t)
	i.erofs = repotest.AddEROFS(t, r, i.link, variant.V1)
	m := i.link.Manifest
	i.layer = fmt.Sprintf("layer %s diff-id=%s media-type=%s size=%d for=%s stream=%s", tar.Digest, tar.DiffID, m.Layers[0].MediaType, tar.Size, i.link.Digest, tar.Stream)
	i.config = fmt.Sprintf("config %s media-type=%s size=%d", m.Config.Digest, m.Config.MediaType, m.Config.Size)
	i.plain = fmt.Sprintf("image %s variant=plain erofs-version=1", i.erofs)
	i.manifest = fmt.Sprintf("manifest %s media-type=%s size=%d", i.link.Digest, m.MediaType, len(i.link.ManifestJSON))
	return i
}

// at returns the records with config and manifest in files; spooled means that they are
// in a spool.
func (i incoming) at(config, manifest, rest string) []string {
	return []string{i.layer, i.config + " path=" + config + rest, i.plain, i.manifest + " source=" + typed + " path=" + manifest + rest}
}

func (i incoming) inFiles(t *testing.T) []string {
	t.Helper()
	return i.at(file(t, i.link.ConfigJSON), file(t, i.link.ManifestJSON), "")
}

// linked returns the records that hold when the image is linked.
func (i incoming) linked(t *testing.T, r *repo.Repo) []string {
	t.Helper()
	image, err := oci.OpenImage(r, i.link.Digest)
	if err != nil {
		t.Fatal(err)
	}
	return []string{i.layer, i.config + " stream=" + image.Config.ID.String(), i.plain, i.manifest + " stream=" + image.Manifest.ID.String()}
}

// TestLink: an image is linked and tagged, its leases end, and config and manifest leave
// the spool. The records that hold keep what is not known here; kinds that are not known
// come before the tag.
func TestLink(t *testing.T) {
	r := newRepo(t)
	i := newIncoming(t, r)
	if err := oci.Lease(r, i.link.Digest, oci.LayerName(i.link.Keys[0])); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config, manifest := toSpool(t, dir, i.link.ConfigJSON), toSpool(t, dir, i.link.ManifestJSON)
	lines := i.at(config, manifest, " x=y spooled=1")
	lines = append([]string{"odd - z=1", "tag " + i.link.Digest.String() + " name=old"}, lines...)
	got, err := linking(t, r, lines...)
	if err != nil {
		t.Fatal(err)
	}
	want := i.linked(t, r)
	wantLines(t, got, want[0], want[1]+" x=y", want[2], "odd - z=1",
		fmt.Sprintf("tag %s name=%s", i.link.Digest, typed), want[3]+" source="+typed+" x=y")
	if d, err := oci.Tag(r, typed); err != nil || d != i.link.Digest {
		t.Errorf("tagged: %s, %v", d, err)
	}
	if _, err := oci.Tag(r, "old"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the tag of a record: %v", err)
	}
	for ref := range r.Refs(repo.Streams, ".") {
		if oci.IsLease(ref) {
			t.Errorf("a lease has stayed: %s", ref.Name)
		}
	}
	if exists(config) || exists(manifest) {
		t.Error("config or manifest have stayed in the spool")
	}
}

// TestLinkAgain: the records of what is linked link it again, and change nothing.
func TestLinkAgain(t *testing.T) {
	r := newRepo(t)
	i := newIncoming(t, r)
	if _, err := linking(t, r, i.inFiles(t)...); err != nil {
		t.Fatal(err)
	}
	before, want := repotest.List(t, r), i.linked(t, r)
	got, err := linking(t, r, want...)
	if err != nil {
		t.Error(err)
	}
	wantLines(t, got, want...) // and no tag: there is no source
	// Another pull has linked it meanwhile, and removed the files.
	if _, err := linking(t, r, i.at("/no/config", "/no/manifest", "")...); err != nil {
		t.Error(err)
	}
	repotest.WantList(t, r, before)
}

// TestLinkTwice: a pipe may carry several images.
func TestLinkTwice(t *testing.T) {
	r := newRepo(t)
	i := newIncoming(t, r)
	artifact := repotest.Image{Artifact: true, Layers: []repotest.Layer{repotest.AddBlob(t, r, "blob")}}
	link := artifact.Link(t)
	blob, m := artifact.Layers[0], link.Manifest
	lines := append(i.inFiles(t),
		fmt.Sprintf("blob %s stream=%s", blob.Digest, blob.Stream),
		fmt.Sprintf("config %s path=%s", m.Config.Digest, file(t, link.ConfigJSON)),
		fmt.Sprintf("manifest %s path=%s source=artifact", link.Digest, file(t, link.ManifestJSON)))
	got, err := linking(t, r, lines...)
	if err != nil || len(got) != 5+4 {
		t.Fatalf("%q, %v", got, err)
	}
	want := fmt.Sprintf("blob %s media-type=application/octet-stream size=4 for=%s stream=%s\n", blob.Digest, link.Digest, blob.Stream)
	if got[5] != want {
		t.Errorf("got  %swant %s", got[5], want)
	}
}

// TestLinkPartial: what is there is linked, and the first status is that of the stage.
func TestLinkPartial(t *testing.T) {
	r := newRepo(t)
	i := newIncoming(t, r)
	var out bytes.Buffer
	partial, got, err := finished(t, newLinker(r, &out), &out, append([]string{"partial - what=boot status=4", "partial - what=x status=7"}, i.inFiles(t)...)...)
	if err != nil || partial != 4 {
		t.Errorf("status %d, %v", partial, err)
	}
	if len(got) != 7 || got[3] != "partial - what=boot status=4\n" || got[4] != "partial - what=x status=7\n" {
		t.Errorf("%q", got)
	}
}

// TestLinkRefuses: what cannot be linked moves no tag.
func TestLinkRefuses(t *testing.T) {
	r := newRepo(t)
	i := newIncoming(t, r)
	files := i.inFiles(t)
	config, manifest := file(t, i.link.ConfigJSON), file(t, i.link.ManifestJSON)
	zero := strings.Repeat("0", 64)
	is := func(kind string) func(error) bool {
		return map[string]func(error) bool{"corrupt": corrupt.Is, "temporary": temporary.Is, "missing": func(err error) bool {
			return errors.Is(err, fs.ErrNotExist) && !temporary.Is(err)
		}, "other": func(err error) bool {
			return err != nil && !corrupt.Is(err) && !temporary.Is(err)
		}}[kind]
	}
	for _, v := range []struct {
		lines      []string
		want, kind string
	}{
		{nil, "input ended without a manifest", "other"},
		{files[:3], "input ended without a manifest", "other"},
		{[]string{files[0], files[3]}, "no record of its config precedes it", "other"},
		{files[1:], "no record names its stream", "other"},
		{[]string{strings.Replace(i.layer, "stream=", "x=", 1), files[1], files[3]}, `stream=: "" is not an fs-verity digest`, "other"},
		{[]string{strings.Replace(i.layer, "stream=", "stream=1", 1), files[1], files[3]}, "layer " + i.image.Layers[0].Digest.String() + ": stream=: ", "other"},
		{i.at(manifest, manifest, ""), "config " + i.link.Manifest.Config.Digest.String() + ": ", "corrupt"},
		{i.at(config, config, ""), "manifest " + i.link.Digest.String() + ": ", "corrupt"},
		{i.at("/no/config", manifest, ""), `config ` + i.link.Manifest.Config.Digest.String() + `: "/no/config" no longer exists`, "temporary"},
		{i.at(config, "/no/manifest", ""), `: "/no/manifest" no longer exists`, "temporary"},
		{i.at(t.TempDir(), manifest, ""), "is not a regular file", "other"},
		{[]string{i.layer, i.config + " stream=" + zero, i.manifest + " path=" + manifest}, "not in the repository: the records are of another one", "missing"},
		{[]string{i.layer, i.config + " stream=" + i.erofs.String(), i.manifest + " path=" + manifest}, "config", "corrupt"},
		{[]string{i.layer, files[1], i.manifest + " stream=" + zero}, "not in the repository: the records are of another one", "missing"},
		{[]string{i.layer, "config " + digest.SHA512.FromBytes(i.link.ConfigJSON).String() + " path=" + config, files[3]}, "but the preceding record is of", "corrupt"},
		{append([]string{"image " + zero + " variant=plain erofs-version=0"}, files...), "has the same place", "other"},
		{append([]string{"image " + zero + " variant=none"}, files...), "image " + zero + ": variant=", "other"},
		{append([]string{"config -"}, files...), "config -: ", "corrupt"},
		{append([]string{"manifest -"}, files...), "manifest -: ", "corrupt"},
		{append([]string{"manifest " + zero}, files...), "no OCI digest", "other"},
	} {
		got, err := linking(t, r, v.lines...)
		wantError(t, err, v.want)
		if !is(v.kind)(err) || got != nil {
			t.Errorf("%v, which is not %s; %q", err, v.kind, got)
		}
	}
	if tags, _, err := oci.Tags(r); len(tags) > 0 || err != nil {
		t.Errorf("tags: %v, %v", tags, err)
	}
}

// TestLinkOutside: what the command decides ends the stage where it fails.
func TestLinkOutside(t *testing.T) {
	r := newRepo(t)
	i := newIncoming(t, r)
	fails := errors.New("fails")
	var out bytes.Buffer
	l := newLinker(r, &out)
	l.Open = func() (*repo.Repo, error) { return nil, fails }
	if _, _, err := finished(t, l, &out, i.inFiles(t)...); !errors.Is(err, fails) {
		t.Error(err)
	}
	l = newLinker(r, &out)
	l.Name = func(Manifest) (string, error) { return "", fails }
	if _, _, err := finished(t, l, &out, i.inFiles(t)...); !errors.Is(err, fails) {
		t.Error(err)
	}
	l = newLinker(r, &out)
	l.Name = func(Manifest) (string, error) { return "@", nil }
	_, _, err := finished(t, l, &out, i.inFiles(t)...)
	wantError(t, err, "cannot be a tag")
	if out.Len() > 0 {
		t.Errorf("records: %s", out.String())
	}
}

// TestLinkWritesLast: when nobody can have the records any more, the tag has moved.
func TestLinkWritesLast(t *testing.T) {
	r := newRepo(t)
	i := newIncoming(t, r)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	var out bytes.Buffer
	l := newLinker(r, &out)
	l.Out = &record.Writer{Out: full}
	_, _, err = finished(t, l, &out, i.inFiles(t)...)
	wantError(t, err, "no space left")
	if d, err := oci.Tag(r, typed); err != nil || d != i.link.Digest {
		t.Errorf("tagged: %s, %v", d, err)
	}
}

// TestRecords: a layer that comes twice has one record, an EROFS image that is lost has
// none, and one of a later writer has none.
func TestRecords(t *testing.T) {
	r := newRepo(t)
	i := newIncoming(t, r)
	i.image.Layers = append(i.image.Layers, i.image.Layers[0])
	image := repotest.Pull(t, r, "twice", i.image)
	kinds := func() (list []string) {
		t.Helper()
		records, err := Records(r, image, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, rec := range records {
			list = append(list, rec.Kind)
		}
		return list
	}
	wantLines(t, kinds(), "layer", "config", "image", "manifest")
	image.Config.Images["composefs.image.boot.later"] = i.erofs
	wantLines(t, kinds(), "layer", "config", "image", "manifest")
	for _, id := range image.Config.Images {
		if err := os.Remove(r.Path + "/images/" + id.String()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	wantLines(t, kinds(), "layer", "config", "manifest")
}

// TestKeep: known records add the keys that only they have, each to the record of the
// same thing.
func TestKeep(t *testing.T) {
	parse := func(line string) record.Record {
		rec, err := record.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		return rec
	}
	known := []record.Record{
		parse("layer " + sumA + " a=1 path=p spooled=1 size=9"), parse("layer " + sumB + " b=1"), parse("blob " + sumA + " c=1"),
		parse("image " + idC + " variant=plain erofs-version=1 d=1"), parse("image " + idC + " variant=boot erofs-version=1 e=1"),
	}
	for line, want := range map[string]string{
		"layer " + sumA + " size=2":                       "layer " + sumA + " size=2 a=1",
		"layer " + sumA + " size=2 a=2":                   "layer " + sumA + " size=2 a=2",
		"config " + sumA:                                  "config " + sumA,
		"image " + idC + " variant=boot erofs-version=1":  "image " + idC + " variant=boot erofs-version=1 e=1",
		"image " + idC + " variant=plain erofs-version=2": "image " + idC + " variant=plain erofs-version=2",
	} {
		if got := keep(parse(line), known).String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
