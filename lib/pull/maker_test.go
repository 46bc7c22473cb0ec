package pull

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"cfs/lib/build"
	"cfs/lib/corrupt"
	"cfs/lib/internal/repotest"
	"cfs/lib/oci"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/temporary"
	"cfs/lib/tolerance"
	"cfs/lib/variant"
	"cfs/lib/verity"
	"cfs/testdata/rawtar"
)

// made is what a Maker has done.
type made struct {
	lines   []string // its records
	said    []string // to people
	partial int
	err     error
}

// making runs a Maker, to which set adds what is asked of it, over lines.
func making(t *testing.T, r *repo.Repo, set func(*Maker), lines ...string) (done made) {
	t.Helper()
	var out bytes.Buffer
	m := &Maker{Open: opener(r), Out: &record.Writer{Out: &out}, Status: statusOf}
	m.Warn = func(format string, args ...any) { done.said = append(done.said, fmt.Sprintf(format, args...)) }
	set(m)
	finish := func() (err error) {
		done.partial, err = m.Finish()
		return err
	}
	done.lines, done.err = run(t, m, finish, &out, lines...)
	for i, line := range done.lines {
		done.lines[i] = strings.TrimSuffix(line, "\n")
	}
	return done
}

// statusOf is the exit status of an error, here.
func statusOf(err error) int {
	if corrupt.Is(err) {
		return 4
	}
	return 1
}

func plainly(*Maker) {}

func withBoot(m *Maker) { m.Boot.Bootable = true }

// bootable is an image that boots, linked, with the records that a Maker gets of it.
func bootable(t *testing.T, r *repo.Repo, members ...repotest.Member) (lines []string, c *build.Container) {
	t.Helper()
	layer := repotest.AddLayer(t, r, append([]repotest.Member{
		repotest.Dir("usr"), repotest.File("usr/a", "a"), repotest.Dir("boot"), repotest.File("boot/a", "a"), repotest.Dir("sysroot")}, members...)...)
	return records(t, r, repotest.Image{Layers: []repotest.Layer{layer}})
}

// records links an image without EROFS images, and returns its records.
func records(t *testing.T, r *repo.Repo, image repotest.Image) (lines []string, c *build.Container) {
	t.Helper()
	link := image.Link(t)
	list, err := Records(r, repotest.Write(t, r, link), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range list {
		lines = append(lines, rec.String())
	}
	if c, err = build.Pulled(r, link, nil); err != nil {
		t.Fatal(err)
	}
	return lines, c
}

// image returns the record of the image that a tree makes as a variant.
func image(t *testing.T, r *repo.Repo, c *build.Container, v variant.Variant) (line string, id verity.ID) {
	t.Helper()
	root, err := c.Tree(v.Xattrs)
	if err == nil && v.Boot {
		err = c.Boot(root)
	}
	if err != nil {
		t.Fatal(err)
	}
	if id, err = (&build.Recipe{Root: root, Algorithm: r.Algorithm, Format: v.Format, UnsignedTimes: true}).Digest(); err != nil {
		t.Fatal(err)
	}
	return ErofsImage{ID: id, Variant: v}.Record().String(), id
}

// before puts lines before the last one, the manifest.
func before(lines []string, more ...string) []string {
	last := len(lines) - 1
	return slices.Concat(lines[:last], more, lines[last:])
}

// want checks that all went well.
func (m made) want(t *testing.T, lines []string, said ...string) {
	t.Helper()
	if m.err != nil || m.partial != 0 {
		t.Errorf("status %d, %v", m.partial, m.err)
	}
	repotest.WantLines(t, m.lines, lines...)
	repotest.WantLines(t, m.said, said...)
}

// TestMake: the images are stored in each format, plain ones and then boot ones, and their
// records come before the manifest. Again, nothing is written.
func TestMake(t *testing.T) {
	r := repotest.New(t, verity.SHA512, variant.V1, variant.V2)
	lines, c := bootable(t, r)
	var images []string
	for _, v := range []variant.Variant{{Format: variant.V1}, {Format: variant.V2}, {Boot: true, Format: variant.V1}, {Boot: true, Format: variant.V2}} {
		line, _ := image(t, r, c, v)
		images = append(images, line)
	}
	making(t, r, plainly, lines...).want(t, before(lines, images[:2]...))
	making(t, r, withBoot, lines...).want(t, before(lines, images...))
	all := repotest.List(t, r)
	making(t, r, withBoot, lines...).want(t, before(lines, images...))
	repotest.WantList(t, r, all)
	for _, line := range images {
		rec, err := record.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		id, err := verity.ParseID(rec.Digest)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := oci.OpenEROFS(r, id); err != nil {
			t.Error(err)
		}
	}
	one := func(m *Maker) {
		m.Formats, m.Boot = []variant.Format{variant.V0}, build.Wanted{Bootable: true, Xattrs: variant.KeepUserXattrs}
	}
	plain, _ := image(t, r, c, variant.Variant{Format: variant.V0})
	boot, _ := image(t, r, c, variant.Variant{Boot: true, Format: variant.V0, Xattrs: variant.KeepUserXattrs})
	making(t, r, one, lines...).want(t, before(lines, plain, boot))
}

// TestMakeReplaces: records of images that are made again are replaced, in the place of those
// that are made; others, and what is not known here, pass through.
func TestMakeReplaces(t *testing.T) {
	r := newRepo(t)
	lines, c := bootable(t, r)
	plain, id := image(t, r, c, variant.Variant{Format: variant.V1})
	old := fmt.Sprintf("image %s x=y variant=plain erofs-version=0", id)
	other := fmt.Sprintf("image %s variant=plain erofs-version=2 x=y", id)
	bootOne := fmt.Sprintf("image %s variant=boot erofs-version=1", id)
	in := append([]string{"strange - x=y", old, other, bootOne}, lines...)
	making(t, r, plainly, in...).want(t, append([]string{"strange - x=y"}, before(lines, other, bootOne, plain)...))
	boot, _ := image(t, r, c, variant.Variant{Boot: true, Format: variant.V1})
	making(t, r, withBoot, in...).want(t, append([]string{"strange - x=y"}, before(lines, other, plain, boot)...))
}

// TestMakeExpected: the one boot image that is expected is made, or is there already.
func TestMakeExpected(t *testing.T) {
	r := newRepo(t)
	member := repotest.File("usr/x", "x")
	member.PAXRecords = map[string]string{"SCHILY.xattr.user.a": "b"}
	lines, c := bootable(t, r, member)
	plain, _ := image(t, r, c, variant.Variant{Format: variant.V1})
	v := variant.Variant{Boot: true, Format: variant.V2, Xattrs: variant.KeepUserXattrs}
	boot, id := image(t, r, c, v)
	expect := func(m *Maker) { m.Boot = build.Wanted{Bootable: true, Expected: id} }
	said := build.Found(id, v)
	making(t, r, expect, lines...).want(t, before(lines, plain, boot), said)
	// It is known by its record, and later by the config.
	made := append([]string{boot}, lines...)
	repotest.WantLines(t, making(t, r, expect, made...).said, said)
	link, err := linking(t, r, before(lines, plain, boot)...)
	if err != nil {
		t.Fatal(err, link)
	}
	all := repotest.List(t, r)
	making(t, r, expect, lines...).want(t, before(lines, plain, boot), said)
	wantLeases(t, r, plain, boot)
	if _, err := linking(t, r, before(lines, plain, boot)...); err != nil {
		t.Error(err)
	}
	wantLeases(t, r)
	repotest.WantList(t, r, all)
}

// wantLeases checks that the EROFS images of records are leased, and no others.
func wantLeases(t *testing.T, r *repo.Repo, records ...string) {
	t.Helper()
	var got, want []string
	for ref, err := range r.Refs(repo.Images, "") {
		if err != nil || !oci.IsLease(ref) {
			t.Errorf("%s is no lease, %v", ref.Name, err)
		}
		got = append(got, ref.Target)
	}
	for _, line := range records {
		want = append(want, strings.Fields(line)[1])
	}
	slices.Sort(want)
	wantLines(t, got, want...)
}

// TestMakePartial: a boot image that cannot be made takes away nothing of the rest. The first
// such status is that of the stage.
func TestMakePartial(t *testing.T) {
	r := newRepo(t)
	layer := repotest.AddLayer(t, r, repotest.Dir("usr"))
	bare, c := records(t, r, repotest.Image{Layers: []repotest.Layer{layer}})
	artifact, _ := records(t, r, repotest.Image{Layers: []repotest.Layer{repotest.AddBlob(t, r, "x")}, Artifact: true})
	good, g := bootable(t, r)
	plain, _ := image(t, r, c, variant.Variant{Format: variant.V1})
	goodPlain, _ := image(t, r, g, variant.Variant{Format: variant.V1})
	manifest := func(lines []string) string { return strings.Fields(lines[len(lines)-1])[1] }
	expect := func(m *Maker) { m.Boot = build.Wanted{Bootable: true, Expected: verity.SHA256.Sum(nil)} }
	got := making(t, r, expect, slices.Concat(good, bare, artifact)...)
	if got.err != nil || got.partial != 4 {
		t.Errorf("status %d, %v", got.partial, got.err)
	}
	repotest.WantLines(t, got.lines, slices.Concat(before(good, goodPlain, "partial - what=boot status=4"),
		before(bare, plain, "partial - what=boot status=1"), before(artifact, "partial - what=boot status=1"))...)
	for i, want := range []string{"no boot image has the digest ", "/boot is missing", "is an artifact, not a container image"} {
		want = "manifest " + manifest([][]string{good, bare, artifact}[i]) + ": boot image: " + want
		if !strings.HasPrefix(got.said[i], want) || !strings.HasSuffix(got.said[i], "; everything else is linked without it") {
			t.Errorf("said %q, want %q", got.said[i], want)
		}
	}
	making(t, r, plainly, artifact...).want(t, artifact)
}

// TestMakeNot: what is an error of the stage. Nothing is written of the manifest then.
func TestMakeNot(t *testing.T) {
	r := newRepo(t)
	lines, _ := bootable(t, r)
	layer := repotest.AddLayer(t, r, repotest.Dir("usr"))
	docker, _ := records(t, r, repotest.Image{Layers: []repotest.Layer{layer}, Docker: true})
	broken := errors.New("broken")
	manifest := func(lines []string) string { return "manifest " + strings.Fields(lines[len(lines)-1])[1] + ": " }
	for what, c := range map[string]struct {
		set   func(*Maker)
		lines []string
		is    func(error) bool
		says  string
	}{
		"no manifest":   {plainly, lines[:1], isError(ErrNoManifest), "input ended without a manifest"},
		"no input":      {plainly, nil, isError(ErrNoManifest), "input ended without a manifest"},
		"no repository": {func(m *Maker) { m.Open = func() (*repo.Repo, error) { return nil, broken } }, lines, isError(broken), "broken"},
		"another hash": {func(m *Maker) { m.Boot = build.Wanted{Bootable: true, Expected: verity.SHA512.Sum(nil)} }, lines, isHashError,
			manifest(lines) + "--expected-digest "},
		"Docker's types": {func(m *Maker) { m.Rules = tolerance.Strict(true) }, docker, isError(tolerance.ErrRefused), manifest(docker) + "sha256:"},
		"no config":      {plainly, append(lines[:1:1], lines[2]), nil, manifest(lines) + "no record of its config"},
		"bad layer":      {plainly, []string{"layer - size=x"}, nil, "layer -: size"},
		"bad manifest":   {plainly, []string{"manifest - size=x"}, nil, "manifest -: "},
		"bad image":      {plainly, []string{"image -"}, nil, "image -: "},
		"without layers": {plainly, lines[1:], nil, manifest(lines) + "layer sha256:"},
	} {
		got := making(t, r, c.set, c.lines...)
		if got.err == nil || !strings.HasPrefix(got.err.Error(), c.says) || c.is != nil && !c.is(got.err) {
			t.Errorf("%s: %v", what, got.err)
		}
		if strings.Contains(strings.Join(got.lines, "\n"), "manifest ") || got.partial != 0 {
			t.Errorf("%s: %q, status %d", what, got.lines, got.partial)
		}
	}
}

func isError(want error) func(error) bool {
	return func(err error) bool { return errors.Is(err, want) }
}

func isHashError(err error) bool {
	_, ok := errors.AsType[*build.HashError](err)
	return ok
}

// TestMakeGone: what has been garbage-collected meanwhile is temporary, also for a boot image.
func TestMakeGone(t *testing.T) {
	r := newRepo(t)
	lines, _ := bootable(t, r)
	rec, err := record.Parse(lines[0])
	if err != nil {
		t.Fatal(err)
	}
	l, err := ParseLayer(rec)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.RemoveName(repo.Streams, oci.LayerName(l.Key())); err != nil {
		t.Fatal(err)
	}
	if got := making(t, r, withBoot, lines...); !temporary.Is(got.err) || len(got.said) > 0 {
		t.Errorf("%+v", got)
	}
}

// TestMakeNowhere: records that cannot be written end it.
func TestMakeNowhere(t *testing.T) {
	r := newRepo(t)
	lines, _ := bootable(t, r)
	for n := range 4 {
		m := &Maker{Open: opener(r), Out: &record.Writer{Out: &limited{n}}}
		err := feed(t, m, before(lines, "image "+strings.Repeat("0c", 32)+" variant=plain erofs-version=2")...)
		if !errors.Is(err, errLimit) {
			t.Errorf("after %d records: %v", n, err)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
}

var errLimit = errors.New("no more")

// limited is a writer for a number of records.
type limited struct{ left int }

func (l *limited) Write(p []byte) (int, error) {
	if l.left == 0 {
		return 0, errLimit
	}
	l.left--
	return len(p), nil
}

// TestMakeRecut: the record of a layer whose stream is cut anew comes again, with the new
// stream. What is tolerated of it is told once, however often the layers are merged.
func TestMakeRecut(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	link := rawtar.Symlink("usr/l", "x")
	link.Content = string(rawtar.File("usr/hidden", strings.Repeat("hidden ", 10)).Bytes())
	tar := rawtar.Tar(rawtar.Dir("usr/"), rawtar.Dir("boot/"), rawtar.Dir("sysroot/"), link)
	old := repotest.AddUncut(t, r, tar, digest.FromBytes(tar))
	lines, c := records(t, r, repotest.Image{Layers: []repotest.Layer{old, repotest.AddLayer(t, r, repotest.File("usr/a", "a"))}})
	rules := tolerance.Strict(false)
	got := making(t, r, func(m *Maker) { m.Rules = rules; m.Boot.Bootable = true; m.Boot.Xattrs = variant.KeepUserXattrs }, lines...)
	fresh, err := r.Lookup(repo.Streams, oci.LayerName(oci.Key(old.DiffID)))
	if err != nil || fresh == old.Stream {
		t.Errorf("stream %s: %v", fresh, err)
	}
	plain, _ := image(t, r, c, variant.Variant{Format: variant.V1})
	boot, _ := image(t, r, c, variant.Variant{Boot: true, Format: variant.V1, Xattrs: variant.KeepUserXattrs})
	got.want(t, before(lines, strings.Replace(lines[0], old.Stream.String(), fresh.String(), 1), plain, boot))
	if list := rules.Warnings(); len(list) != 1 || !strings.HasPrefix(list[0], `layer `+old.DiffID.String()+`: "usr/l": a size`) || strings.Contains(list[0], "more") {
		t.Errorf("%q", list)
	}
}
