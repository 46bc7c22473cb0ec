package repo

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cfs/lib/corrupt"
	"cfs/lib/flock"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

func newRepo(t testing.TB, n New) *Repo {
	t.Helper()
	path := filepath.Join(t.TempDir(), "repo")
	if err := Init(path, n); err != nil {
		t.Fatal(err)
	}
	r, err := Open(path, flock.Lock{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

var insecure = New{Algorithm: verity.SHA256, Formats: []variant.Format{variant.V1}, Insecure: true}

// TestMeta: the first text is what the reference's init wrote.
func TestMeta(t *testing.T) {
	const want = `{
  "version": 1,
  "algorithm": "fsverity-sha256-12",
  "features": {
    "compatible": [],
    "read-only-compatible": [
      "v1_erofs"
    ],
    "incompatible": []
  },
  "erofs_formats": {
    "default": 1
  }
}
`
	r := newRepo(t, insecure)
	got, err := os.ReadFile(r.Path + "/meta.json")
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v", got, err)
	}
	for text, want := range map[string][]variant.Format{
		`{"version":1,"algorithm":"fsverity-sha512-12"}`:                                                               {2},
		`{"version":0,"algorithm":"fsverity-sha512-12","features":{"read-only-compatible":["v1_erofs"]}}`:              {1},
		`{"version":1,"algorithm":"x","erofs_formats":{"default":2},"features":{"read-only-compatible":["v1_erofs"]}}`: {1},
		`{"version":1,"algorithm":"x","erofs_formats":{"default":2,"extra":[2,1,1]}}`:                                  {2, 1},
		`{"version":1,"algorithm":"x","erofs_formats":{"default":0},"more":7}`:                                         {0},
	} {
		m, err := parseMeta([]byte(text))
		if got, _ := m.formats(); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "{}", `{"version":2,"algorithm":"fsverity-sha512-12"}`, `{"version":1,"features":{"incompatible":["x"]}}`,
		`{"version":1,"erofs_formats":{"default":3}}`, `{"version":-1}`,
	} {
		if _, err := parseMeta([]byte(text)); err == nil {
			t.Errorf("%s: accepted", text)
		}
	}
}

func TestUnknownFeatureReadsOnly(t *testing.T) {
	r := newRepo(t, insecure)
	text := `{"version":1,"algorithm":"fsverity-sha256-12","features":{"read-only-compatible":["later"]}}`
	if err := os.WriteFile(r.Path+"/meta.json", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	again, err := Open(r.Path, flock.Lock{})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := again.Writable(); err == nil || !strings.Contains(err.Error(), "later") {
		t.Errorf("writable: %v", err)
	}
}

// TestLeftovers finds what killed writers of links and of objects left, and nothing else.
func TestLeftovers(t *testing.T) {
	r := newRepo(t, insecure)
	if left, err := r.Leftovers(); left != nil || err != nil {
		t.Errorf("of a new repository: %v, %v", left, err)
	}
	if _, _, err := r.Objects.PutBytes(nil); err != nil {
		t.Fatal(err)
	}
	want := []string{linkPrefix + "x", "objects/.tmp-object-x"}
	for _, name := range want {
		if err := os.Symlink("target", r.Path+"/"+name); err != nil {
			t.Fatal(err)
		}
	}
	left, err := r.Leftovers()
	if !slices.Equal(left, want) || err != nil {
		t.Errorf("got %v, %v; want %v", left, err, want)
	}
	for _, name := range left {
		if err := r.RemoveLeftover(name); err != nil {
			t.Error(err)
		}
	}
	if left, err := r.Leftovers(); left != nil || err != nil {
		t.Errorf("after they were removed: %v, %v", left, err)
	}
}

// TestInitAgain: an existing repository stays, what somebody left who was killed in Init
// is none, and objects without metadata are not taken over.
func TestInitAgain(t *testing.T) {
	r := newRepo(t, insecure)
	if err := Init(r.Path, New{Algorithm: verity.SHA512, Formats: []variant.Format{variant.V2}, Insecure: true}); err != nil {
		t.Error(err)
	}
	os.Remove(r.Path + "/meta.json")
	os.Mkdir(r.Path+"/objects", 0o755)
	os.WriteFile(r.Path+"/objects/.tmp-object-x", nil, 0o644)
	if err := Init(r.Path, insecure); err != nil {
		t.Error(err)
	}
	os.Remove(r.Path + "/meta.json")
	os.Mkdir(r.Path+"/objects/ab", 0o755)
	if err := Init(r.Path, insecure); err == nil || !strings.Contains(err.Error(), "has objects but no meta.json") {
		t.Error(err)
	}
}

// TestLinkTargets: as in the repository that the reference wrote.
func TestLinkTargets(t *testing.T) {
	r := newRepo(t, insecure)
	id := verity.SHA256.Sum([]byte("x"))
	if err := r.Link(Streams, "oci-layer-sha256:00", id); err != nil {
		t.Fatal(err)
	}
	if err := r.SetRef(Streams, "oci/t", "oci-manifest-sha256:00"); err != nil {
		t.Fatal(err)
	}
	if err := r.SetRef(Images, "foo/bar", id.String()); err != nil {
		t.Fatal(err)
	}
	for link, want := range map[string]string{
		"streams/oci-layer-sha256:00": "../objects/" + id.ObjectPath(),
		"streams/refs/oci/t":          "../../oci-manifest-sha256:00",
		"images/refs/foo/bar":         "../../" + id.String(),
	} {
		if got, err := os.Readlink(r.Path + "/" + link); err != nil || got != want {
			t.Errorf("%s -> %s, %v; want %s", link, got, err, want)
		}
	}
	if got, err := r.Lookup(Streams, "oci-layer-sha256:00"); err != nil || got != id {
		t.Errorf("lookup: %v, %v", got, err)
	}
	other := verity.SHA256.Sum([]byte("y"))
	if err := r.Link(Streams, "oci-layer-sha256:00", other); err != nil {
		t.Fatal(err)
	}
	if got, _ := r.Lookup(Streams, "oci-layer-sha256:00"); got != other {
		t.Error("a link was not moved")
	}
	for _, name := range []string{"", ".", "..", "refs", "a/b", "a\x00", strings.Repeat("x", 256)} {
		if r.Link(Streams, name, id) == nil {
			t.Errorf("linked as %q", name)
		}
	}
}

func TestLookupRefuses(t *testing.T) {
	r := newRepo(t, insecure)
	id := verity.SHA256.Sum([]byte("x"))
	r.mkdir("streams")
	for name, target := range map[string]string{
		"elsewhere": "/etc/passwd", "above": "../../objects/" + id.ObjectPath(), "short": "../objects/ab/cd",
		"other-algorithm": "../objects/" + verity.SHA512.Sum(nil).ObjectPath(),
	} {
		os.Symlink(target, r.Path+"/streams/"+name)
		if _, err := r.Lookup(Streams, name); !corrupt.Is(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	os.WriteFile(r.Path+"/streams/file", nil, 0o644)
	if _, err := r.Lookup(Streams, "file"); !corrupt.Is(err) {
		t.Errorf("file: %v", err)
	}
	if _, err := r.Lookup(Streams, "missing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
}

func TestLocks(t *testing.T) {
	r := newRepo(t, insecure)
	shared, err := Open(r.Path, flock.Lock{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(r.Path, flock.Lock{Exclusive: true, Timeout: 20 * time.Millisecond})
	if !errors.Is(err, flock.ErrLocked) || !strings.Contains(err.Error(), "pid") {
		t.Errorf("exclusive beside shared: %v", err)
	}
	shared.Close()
	r.Close()
	alone, err := Open(r.Path, flock.Lock{Exclusive: true})
	if err != nil {
		t.Fatal(err)
	}
	defer alone.Close()
	if _, err := Open(r.Path, flock.Lock{}); !errors.Is(err, flock.ErrLocked) {
		t.Errorf("shared beside exclusive: %v", err)
	}
}

func TestNoRepository(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, dir + "/missing"} {
		if _, err := Open(path, flock.Lock{}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestReference opens the repository that the reference wrote.
func TestReference(t *testing.T) {
	f, err := os.Open("../../../shared/vectors/repo-small/repo-first-pull.tar")
	if err != nil {
		t.Skipf("SKIPPED: the reference's vectors are not here: %v", err)
	}
	defer f.Close()
	dir := t.TempDir()
	extract(t, f, dir)
	meta, err := filepath.Glob(dir + "/*/meta.json")
	if err != nil || len(meta) != 1 {
		meta = []string{dir + "/meta.json"}
	}
	path := filepath.Dir(meta[0])
	r, err := Open(path, flock.Lock{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	objects := 0
	for id, err := range r.Objects.List() {
		if err == nil {
			_, err = r.Objects.Verify(id)
		}
		if err != nil {
			t.Error(err)
		}
		objects++
	}
	streams, _ := r.Names(Streams)
	images, _ := r.Names(Images)
	if objects != 15 || len(streams) != 4 || len(images) != 1 || r.Algorithm != verity.SHA256 || r.Formats[0] != 1 || r.Secure {
		t.Errorf("%d objects, streams %q, images %q, %s, formats %v, secure %v", objects, streams, images, r.Algorithm, r.Formats, r.Secure)
	}
	for ref, err := range r.Refs(Streams, "") {
		if err != nil || ref.Name != "oci/small:latest" || !strings.HasPrefix(ref.Target, "oci-manifest-sha256:e23857a5") {
			t.Errorf("%+v, %v", ref, err)
		}
	}
	// Without its meta.json it looks like one from before there was one.
	os.Remove(path + "/meta.json")
	old, err := Open(path, flock.Lock{})
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if old.Algorithm != verity.SHA256 || old.Formats[0] != 2 {
		t.Errorf("guessed %s, formats %v", old.Algorithm, old.Formats)
	}
}

func extract(t *testing.T, in io.Reader, dir string) {
	for tr := tar.NewReader(in); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, h.Name)
		os.MkdirAll(filepath.Dir(path), 0o755)
		switch h.Typeflag {
		case tar.TypeDir:
			err = os.MkdirAll(path, 0o755)
		case tar.TypeSymlink:
			err = os.Symlink(h.Linkname, path)
		default:
			data, _ := io.ReadAll(tr)
			err = os.WriteFile(path, data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func FuzzMeta(f *testing.F) {
	f.Add(newMeta(verity.SHA512, []variant.Format{variant.V1, variant.V2}).text())
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := parseMeta(text)
		if err != nil {
			return
		}
		if list, err := m.formats(); err != nil || len(list) == 0 {
			t.Errorf("formats %v, %v", list, err)
		}
	})
}
