package lookup_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/blob"
	"cfs/lib/corrupt"
	"cfs/lib/flock"
	"cfs/lib/internal/repotest"
	"cfs/lib/lookup"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// shelf is a repository with a container image of one layer, tagged "a/b:1", that has a
// plain EROFS image of format 1, and an artifact, tagged "artifact".
type shelf struct {
	*repo.Repo
	manifest, config, layer, artifact digest.Digest
	erofs, stream                     verity.ID
}

func newShelf(t *testing.T, a verity.Algorithm) shelf {
	t.Helper()
	r := repotest.New(t, a)
	s := shelf{Repo: r}

	tar := make([]byte, 1024) // of no members
	done, err := oci.ImportLayer(t.Context(), r, bytes.NewReader(tar), blob.None, oci.Source{Size: -1})
	must(t, err)
	s.layer, s.stream = done.DiffID, done.Stream
	must(t, r.Link(repo.Streams, oci.LayerName(oci.Key(s.layer)), s.stream))
	config := text(t, v1.Image{RootFS: v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{s.layer}}})
	s.config = digest.FromBytes(config)
	l := newLink(t, v1.MediaTypeImageConfig, config, v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: s.layer, Size: 1024})
	l.Streams[l.Keys[0]] = s.stream
	root, err := l.Tree(r, variant.AllowlistOnly, nil)
	must(t, err)
	s.erofs, err = oci.StoreImage(r, root, variant.V1)
	must(t, err)
	l.Images[variant.Variant{Format: variant.V1}] = s.erofs
	s.manifest = write(t, r, l, "a/b:1")
	s.artifact = write(t, r, newLink(t, "application/x-nothing", []byte("{}")), "artifact")
	return s
}

func newLink(t *testing.T, configType string, config []byte, layers ...v1.Descriptor) *oci.Link {
	t.Helper()
	manifest := text(t, v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		Config:    v1.Descriptor{MediaType: configType, Digest: digest.FromBytes(config), Size: int64(len(config))},
		Layers:    layers,
	})
	l, err := oci.NewLink(digest.FromBytes(manifest), manifest, config)
	must(t, err)
	return l
}

func write(t *testing.T, r *repo.Repo, l *oci.Link, tag string) digest.Digest {
	t.Helper()
	_, err := l.Write(r)
	must(t, err)
	must(t, oci.SetTag(r, tag, l.Digest))
	return l.Digest
}

func text(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	must(t, err)
	return b
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eachShelf runs a test with the digests of either length.
func eachShelf(t *testing.T, test func(*testing.T, shelf)) {
	for _, a := range []verity.Algorithm{verity.SHA256, verity.SHA512} {
		t.Run(a.Name(), func(t *testing.T) { test(t, newShelf(t, a)) })
	}
}

// TestFind: an image has all of its names, and each of them means one thing.
func TestFind(t *testing.T) {
	eachShelf(t, func(t *testing.T, s shelf) {
		manifest, config, erofs := s.manifest.Encoded(), s.config.Encoded(), s.erofs.String()
		for _, operand := range []string{
			"a/b:1", s.manifest.String(), "@" + s.manifest.String(), s.config.String(), "@" + s.config.String(),
			manifest[:12], manifest[:63], "sha256:" + manifest[:12], "@sha256:" + manifest[:20], "sha256:" + config[:12], config[:13],
		} {
			image, err := lookup.Image(s.Repo, operand)
			if err != nil || image.Manifest.Digest != s.manifest {
				t.Errorf("%s: %v", operand, err)
			}
			found, err := lookup.Find(s.Repo, operand)
			if err != nil || found.Operand != operand || !found.ID.IsZero() {
				t.Errorf("%s: %+v, %v", operand, found, err)
			}
			if id, err := found.EROFS(variant.Variant{}); err != nil || id != s.erofs {
				t.Errorf("%s: EROFS image %s, %v", operand, id, err)
			}
		}
		for _, operand := range []string{erofs, erofs[:12], erofs[:len(erofs)-1], strings.ToUpper(erofs)} {
			found, err := lookup.Find(s.Repo, operand)
			if err != nil || found.Image != nil || found.ID != s.erofs {
				t.Errorf("%s: %+v, %v", operand, found, err)
			}
			if id, err := found.EROFS(variant.Variant{Boot: true, Format: variant.V2}); err != nil || id != s.erofs {
				t.Errorf("%s: EROFS image %s, %v", operand, id, err)
			}
			if image, err := lookup.Image(s.Repo, operand); err != nil || image.Manifest.Digest != s.manifest {
				t.Errorf("%s: as a container image: %v", operand, err)
			}
		}
		if found, err := lookup.Find(s.Repo, manifest); (found.Image == nil) != (s.Algorithm == verity.SHA256) || err != nil {
			t.Errorf("all digits of a manifest's digest in a repository of %s: %+v, %v", s.Algorithm, found, err)
		}
	})
}

func TestFindNothing(t *testing.T) {
	eachShelf(t, func(t *testing.T, s shelf) {
		none := strings.Repeat("0", 64)
		for _, operand := range []string{
			"", "a", "a/b", "artifact/a", "@a/b:1", "sha256:" + none, "sha256:" + none[:12], none[:12], "sha256:", s.manifest.Encoded()[:11],
			"sha256:" + s.manifest.Encoded()[:11], "@" + s.manifest.Encoded()[:12], "sha512:" + s.manifest.Encoded()[:12],
			strings.ToUpper(s.manifest.Encoded()[:20]) + "A", s.manifest.Encoded()[:12] + "g", "sha256:" + s.erofs.String()[:12],
		} {
			if found, err := lookup.Find(s.Repo, operand); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%q: %+v, %v", operand, found, err)
			}
		}
	})
}

// TestFindTagFirst: where a tag has the name, that is meant, but for digests in full.
func TestFindTagFirst(t *testing.T) {
	s := newShelf(t, verity.SHA256)
	for _, operand := range []string{s.manifest.Encoded()[:12], "sha256:" + s.config.Encoded()[:12], s.erofs.String()[:40], "000000000000"} {
		must(t, oci.SetTag(s.Repo, operand, s.artifact))
		if image, err := lookup.Image(s.Repo, operand); err != nil || image.Manifest.Digest != s.artifact {
			t.Errorf("%s: %v", operand, err)
		}
	}
	for _, operand := range []string{s.manifest.String(), s.erofs.String()} {
		must(t, oci.SetTag(s.Repo, operand, s.artifact))
		if found, err := lookup.Find(s.Repo, operand); err != nil || found.Image != nil && found.Image.Manifest.Digest == s.artifact {
			t.Errorf("%s: %+v, %v", operand, found, err)
		}
	}
}

// TestFindAmbiguous: what begins several digests is none of them, and all are listed. They
// are made to meet by names alone: 48 bits do not meet by chance.
func TestFindAmbiguous(t *testing.T) {
	s := newShelf(t, verity.SHA256)
	digits := s.manifest.Encoded()[:12]
	config, image := digits+strings.Repeat("0", 52), digits+strings.Repeat("f", 52)
	must(t, s.Link(repo.Streams, "oci-config-sha256:"+config, s.stream))
	must(t, s.Link(repo.Images, image, s.stream))
	must(t, s.Link(repo.Images, image+"00", s.stream))                        // nobody's digest
	must(t, s.Link(repo.Streams, "oci-manifest-"+digits, s.stream))           // as well
	must(t, s.Link(repo.Streams, "oci-config-"+string(s.manifest), s.stream)) // the same digest

	_, err := lookup.Find(s.Repo, digits)
	want := digits + " is ambiguous: it may be EROFS image " + image + ", config sha256:" + config + ", manifest " + s.manifest.String()
	if !errors.Is(err, repo.ErrAmbiguous) || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if _, err := lookup.Find(s.Repo, "sha256:"+digits); !errors.Is(err, repo.ErrAmbiguous) || strings.Contains(err.Error(), "EROFS") {
		t.Errorf("behind sha256: %v", err)
	}
	if found, err := lookup.Find(s.Repo, s.manifest.Encoded()[:20]); err != nil || found.Image.Manifest.Digest != s.manifest {
		t.Errorf("with more digits: %v", err)
	}
}

// TestFindUnreadable: what cannot be looked up is not absent.
func TestFindUnreadable(t *testing.T) {
	s := newShelf(t, verity.SHA256)
	must(t, os.WriteFile(s.Path+"/streams/refs/oci/broken", nil, 0o644))
	must(t, s.SetRef(repo.Streams, "oci/astray", "elsewhere"))
	must(t, os.Mkdir(s.Path+"/streams/refs/oci/folder", 0o755))
	must(t, s.SetRef(repo.Streams, "oci/folder/astray", "elsewhere"))
	for _, operand := range []string{"broken", "astray", "folder/astray"} {
		if _, err := lookup.Find(s.Repo, operand); !corrupt.Is(err) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", operand, err)
		}
	}
	must(t, os.Symlink("loop", s.Path+"/streams/refs/oci/loop"))
	if _, err := lookup.Find(s.Repo, "loop/a"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("behind a link to itself: %v", err)
	}
	must(t, s.RemoveName(repo.Streams, oci.ManifestName(s.artifact)))
	if _, err := lookup.Find(s.Repo, "artifact"); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "manifest "+s.artifact.String()) {
		t.Errorf("without its manifest: %v", err)
	}
	// The manifest that a config belongs to may be one that is damaged.
	must(t, s.Link(repo.Streams, oci.ManifestName(s.manifest), s.stream))
	for _, operand := range []string{s.config.String(), s.config.Encoded()[:12]} {
		if _, err := lookup.Find(s.Repo, operand); !corrupt.Is(err) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", operand, err)
		}
	}
	must(t, os.RemoveAll(s.Path+"/streams"))
	must(t, os.WriteFile(s.Path+"/streams", nil, 0o644))
	for _, operand := range []string{"a/b:1", s.manifest.String(), s.config.Encoded()[:12]} {
		if _, err := lookup.Find(s.Repo, operand); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s without streams: %v", operand, err)
		}
	}
}

// TestFindMissing: the manifest is there, what it needs is not.
func TestFindMissing(t *testing.T) {
	s := newShelf(t, verity.SHA256)
	image, err := lookup.Image(s.Repo, "a/b:1")
	must(t, err)
	must(t, s.Objects.Remove(image.Config.ID))
	for _, operand := range []string{"a/b:1", s.manifest.String()} {
		if _, err := lookup.Find(s.Repo, operand); !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), "manifest "+s.manifest.String()) {
			t.Errorf("%s: %v", operand, err)
		}
	}
}

func TestFindKinds(t *testing.T) {
	s := newShelf(t, verity.SHA256)
	if _, err := lookup.Container(s.Repo, "artifact"); !errors.Is(err, oci.ErrArtifact) || err.Error() != "artifact is an artifact, not a container image" {
		t.Error(err)
	}
	if _, err := lookup.Container(s.Repo, "a/b:1"); err != nil {
		t.Error(err)
	}
	artifact, err := lookup.Find(s.Repo, "artifact")
	must(t, err)
	if err := artifact.CheckContainer(); !errors.Is(err, oci.ErrArtifact) {
		t.Error(err)
	}
	if _, err := artifact.EROFS(variant.Variant{}); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := (lookup.Found{ID: s.erofs}).CheckContainer(); err != nil {
		t.Error(err)
	}
	found, err := lookup.Find(s.Repo, "a/b:1")
	must(t, err)
	for v, want := range map[variant.Variant]string{
		{Format: variant.V2}:             "a/b:1 has no EROFS image of format 2",
		{Boot: true, Format: variant.V1}: "a/b:1 has no boot image of format 1",
	} {
		if _, err := found.EROFS(v); !errors.Is(err, fs.ErrNotExist) || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestFindStream(t *testing.T) {
	eachShelf(t, func(t *testing.T, s shelf) {
		must(t, s.SetRef(repo.Streams, "own/ref", oci.LayerName(oci.Key(s.layer))))
		layer, id := s.layer.Encoded(), s.stream.String()
		for _, operand := range []string{
			oci.LayerName(oci.Key(s.layer)), "refs/own/ref", s.layer.String(), "@" + s.layer.String(), layer[:12], "sha256:" + layer[:30], id, id[:12], id[:40],
		} {
			if got, _, err := lookup.Stream(s.Repo, operand); err != nil || got != s.stream {
				t.Errorf("%s: %s, %v", operand, got, err)
			}
		}
		for _, operand := range []string{"", "a/b:1", "refs/own", "refs/none", s.manifest.String(), layer[:11], "sha256:" + id[:12], s.erofs.String()[:12]} {
			if got, _, err := lookup.Stream(s.Repo, operand); err == nil {
				t.Errorf("%s: %s", operand, got)
			}
		}
		must(t, s.Link(repo.Streams, "oci-layer-sha256:"+layer[:12]+strings.Repeat("0", 52), s.stream))
		if _, _, err := lookup.Stream(s.Repo, layer[:12]); !errors.Is(err, repo.ErrAmbiguous) || strings.Count(err.Error(), "layer ") != 2 {
			t.Error(err)
		}
		must(t, os.WriteFile(s.Path+"/streams/stray", nil, 0o644))
		if _, _, err := lookup.Stream(s.Repo, "stray"); !corrupt.Is(err) {
			t.Error(err)
		}
		if _, _, err := lookup.Stream(s.Repo, id[:12]); err != nil {
			t.Errorf("beside a stray file: %v", err)
		}
	})
}

func TestIsFile(t *testing.T) {
	s := newShelf(t, verity.SHA256)
	t.Chdir(t.TempDir())
	must(t, os.Mkdir("a", 0o755))
	digits := s.manifest.Encoded()[:12]
	for _, name := range []string{"here", "a/b:1", "artifact", digits, s.erofs.String(), "@file"} {
		must(t, os.WriteFile(name, nil, 0o644))
	}
	must(t, os.Symlink("nowhere", "dangling"))
	must(t, os.WriteFile(s.Path+"/streams/refs/oci/broken", nil, 0o644))
	for operand, want := range map[string]bool{
		"./here": true, "../none": true, "/none": true, "./artifact": true, "here": true, "dangling": true, digits: true, "@file": true, "here/below": true,
		"a/b:1": false, "artifact": false, s.erofs.String(): false, s.manifest.String(): false, "@" + s.manifest.String(): false,
		"none": false, "none.erofs": true, "none.dump": true, "no/ne": true, s.config.Encoded()[:12]: false,
	} {
		if got, err := lookup.IsFile(s.Path, operand); got != want || err != nil {
			t.Errorf("%s: %v, %v", operand, got, err)
		}
	}
	if got, err := lookup.IsFile(s.Path, "broken"); !corrupt.Is(err) {
		t.Errorf("a tag that cannot be read: %v, %v", got, err)
	}
	for _, path := range []string{"", "nowhere", "a"} { // a directory is no repository
		for operand, want := range map[string]bool{"here": true, "artifact": true, s.erofs.String(): true, "none": false, s.manifest.String(): false} {
			if got, err := lookup.IsFile(path, operand); got != want || err != nil {
				t.Errorf("no repository at %q: %s: %v, %v", path, operand, got, err)
			}
		}
	}
	must(t, os.WriteFile("a/meta.json", []byte("{}"), 0o644))
	if got, err := lookup.IsFile("a", "here"); !corrupt.Is(err) {
		t.Errorf("a repository that cannot be read: %v, %v", got, err)
	}
}

// TestIsFileUnlocked: somebody has the repository for itself, and nobody waits for it.
func TestIsFileUnlocked(t *testing.T) {
	s := newShelf(t, verity.SHA256)
	must(t, s.Close())
	r, err := repo.Open(s.Path, flock.Lock{Exclusive: true})
	must(t, err)
	defer r.Close()
	for operand, want := range map[string]bool{"a/b:1": false, "no/ne": true} {
		if got, err := lookup.IsFile(s.Path, operand); got != want || err != nil {
			t.Errorf("%s: %v, %v", operand, got, err)
		}
	}
}
