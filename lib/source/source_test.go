package source

import (
	"archive/tar"
	"bytes"
	"cfs/lib/manifest"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// archive writes a tar of files; a name that ends in "@" is a symbolic link.
func archive(t testing.TB, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		h := &tar.Header{Name: files[i], Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(files[i+1]))}
		if name, ok := strings.CutSuffix(files[i], "@"); ok {
			h = &tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: files[i+1]}
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			io.WriteString(w, files[i+1])
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func write(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// image reads a source's manifest and checks that all blobs of it are there.
func image(t testing.TB, name string) (v1.Descriptor, v1.Manifest) {
	t.Helper()
	s, err := Open(name, Options{TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	d, err := s.Manifest(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := ReadAll(t.Context(), s, d)
	if err != nil {
		t.Fatal(err)
	}
	m, err := manifest.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range append([]v1.Descriptor{m.Config}, m.Layers...) {
		if _, err := ReadAll(t.Context(), s, b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	return d, m
}

func saveArchive(t testing.TB) []byte {
	one, two := archive(t, "a", "1"), archive(t, "b", "2")
	config, err := json.Marshal(map[string]any{"architecture": "amd64", "os": "linux", "rootfs": map[string]any{
		"type": "layers", "diff_ids": []digest.Digest{digest.FromBytes(one), digest.FromBytes(two), digest.FromBytes(one)}}})
	if err != nil {
		t.Fatal(err)
	}
	return archive(t, "config.json", string(config), "1/layer.tar", string(one), "2.tar", string(two), "3/layer.tar@", "../1/layer.tar",
		"manifest.json", `[{"Config":"config.json","RepoTags":["example.com/a:latest"],"Layers":["1/layer.tar","2.tar","3/layer.tar"]}]`)
}

// TestDockerArchive: plain or compressed, by name or without, the same manifest is made.
func TestDockerArchive(t *testing.T) {
	saved := saveArchive(t)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write(saved)
	z.Close()
	plain := write(t, "a.tar", saved)
	want, m := image(t, "docker-archive:"+plain)
	if len(m.Layers) != 3 || m.Layers[0].Digest != m.Layers[2].Digest || m.Config.MediaType != v1.MediaTypeImageConfig {
		t.Errorf("manifest %+v", m)
	}
	for _, name := range []string{plain + ":example.com/a:latest", plain + ":a", plain + ":@0", write(t, "a.tar.gz", zipped.Bytes())} {
		if got, _ := image(t, "docker-archive:"+name); got.Digest != want.Digest {
			t.Errorf("%s: %s, want %s", name, got.Digest, want.Digest)
		}
	}
	s, err := Open("docker-archive:"+plain+":other", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Manifest(t.Context(), nil); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "example.com/a:latest") {
		t.Errorf("other: %v", err)
	}
}

// TestNames: what is a SOURCE and what is not.
func TestNames(t *testing.T) {
	for _, name := range []string{"", "docker-daemon:a", "ostree:x", "http://example.com/a", "UPPER", "a b", "docker://", "registry:x"} {
		if s, err := Open(name, Options{}); err == nil {
			s.Close()
			t.Errorf("%q is taken", name)
		} else if !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"oci:nowhere", "oci-archive:nowhere:x", "docker-archive:nowhere:x:y", "dir:nowhere"} {
		if _, err := Open(name, Options{}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestSplitRef: as the reference cuts where that can be, else as skopeo does.
func TestSplitRef(t *testing.T) {
	there := func(paths ...string) func(string) error {
		return func(path string) error {
			for _, p := range paths {
				if p == path {
					return nil
				}
			}
			return fs.ErrNotExist
		}
	}
	for _, v := range []struct {
		where, path, ref string
		exists           func(string) error
	}{
		{"d", "d", "", there("d")},
		{"d:1", "d", "1", there("d")},
		{"/x:y/d", "/x:y/d", "", there("/x:y/d")},
		{"d:example.com/a:1", "d", "example.com/a:1", there("d")},
		{"d:1:2", "d:1", "2", there("d", "d:1")},
		{"d:@sha256:00", "d", "@sha256:00", there("d")},
	} {
		if path, ref, err := splitRef(v.where, v.exists); err != nil || path != v.path || ref != v.ref {
			t.Errorf("%s: %q %q %v", v.where, path, ref, err)
		}
	}
}

// FuzzArchive: whatever an archive holds, its manifest and blobs are read or refused,
// and nothing outside of it is.
func FuzzArchive(f *testing.F) {
	saved := saveArchive(f)
	f.Add(saved, "docker-archive:")
	f.Add(saved[:700], "docker-archive:")
	f.Add(archive(f, "manifest.json@", "/etc/passwd"), "docker-archive:")
	f.Add(archive(f, "manifest.json@", "manifest.json"), "docker-archive:")
	f.Add(archive(f, "manifest.json", `[{"Config":"../../etc/passwd","Layers":["x"]}]`), "docker-archive:")
	f.Add(archive(f, "index.json", `{"manifests":[{"mediaType":"`+v1.MediaTypeImageManifest+`","digest":"sha256:../x","size":9}]}`, "oci-layout", "{}"), "oci-archive:")
	f.Fuzz(func(t *testing.T, data []byte, transport string) {
		if transport != "docker-archive:" && transport != "oci-archive:" {
			return
		}
		s, err := Open(transport+write(t, "a.tar", data), Options{TempDir: t.TempDir()})
		if err != nil {
			return
		}
		defer s.Close()
		d, err := s.Manifest(context.Background(), nil)
		if err != nil {
			return
		}
		if text, err := ReadAll(context.Background(), s, d); err == nil && d.Digest.Validate() == nil && d.Digest.Algorithm().FromBytes(text) != d.Digest {
			t.Errorf("%s has other bytes", d.Digest)
		}
	})
}

// TestAbsolute: what is in files is named so that it can be found from anywhere.
func TestAbsolute(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for name, want := range map[string]string{
		"oci:a:1": "oci:" + dir + "/a:1", "dir:../b": "dir:" + dir + "/../b", "oci-archive:c.tar": "oci-archive:" + dir + "/c.tar",
		"oci:/a:1": "oci:/a:1", "docker://host/a:1": "docker://host/a:1", "docker:5000/a": "docker:5000/a", "host:5000/a": "host:5000/a", "busybox": "busybox", "": "",
	} {
		if got := Absolute(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
