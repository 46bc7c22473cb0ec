package spool

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
	"cfs/lib/manifest"
)

func open(t testing.TB, dir string) *Spool {
	t.Helper()
	s, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// blobName returns where a blob is in a spool.
func blobName(t *testing.T, d v1.Descriptor) string {
	t.Helper()
	name, err := manifest.BlobName(d.Digest)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func describe(content []byte) v1.Descriptor {
	return v1.Descriptor{MediaType: "application/x", Digest: digest.FromBytes(content), Size: int64(len(content))}
}

// giving returns what opens a blob of that content, and counts the bytes that are read.
func giving(content []byte, read *atomic.Int64) OpenBlob {
	return func(_ context.Context, _ v1.Descriptor, offset int64) (io.ReadCloser, error) {
		in := bytes.NewReader(content[min(offset, int64(len(content))):])
		return io.NopCloser(io.TeeReader(in, counter{read})), nil
	}
}

type counter struct{ n *atomic.Int64 }

func (c counter) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}

var content = bytes.Repeat([]byte("0123456789abcdef"), 20_000)

// TestResume: what a failure left is not read again, and nothing has the blob's name
// before all of it is there.
func TestResume(t *testing.T) {
	s, d := open(t, t.TempDir()), describe(content)
	broken := errors.New("broken")
	const cut = 150_000
	_, err := s.Fetch(t.Context(), d, func(context.Context, v1.Descriptor, int64) (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(bytes.NewReader(content[:cut]), iotest.ErrReader(broken))), nil
	}, nil)
	path, _ := s.Path(d)
	if _, stat := os.Stat(path); !errors.Is(err, broken) || stat == nil {
		t.Fatalf("%v, and the blob is there: %v", err, stat == nil)
	}
	if have := s.Have(d); have != cut {
		t.Errorf("%d bytes are there, want %d", have, cut)
	}
	var read, seen atomic.Int64
	got, err := s.Fetch(t.Context(), d, giving(content, &read), seen.Store)
	if err != nil || got != path || read.Load() != int64(len(content)-cut) || seen.Load() != d.Size {
		t.Errorf("%s, %v: %d bytes read, %d seen", got, err, read.Load(), seen.Load())
	}
	if text, err := os.ReadFile(path); err != nil || !bytes.Equal(text, content) {
		t.Errorf("it has other bytes, %v", err)
	}
	if _, err := os.Stat(path + partialSuffix); err == nil {
		t.Error("the partial file has stayed")
	}
}

// TestWrong: a blob that is wrong is read once more, and only once.
func TestWrong(t *testing.T) {
	wrong := bytes.ToUpper(content)
	for name, v := range map[string]struct {
		first, second []byte
		ok            bool
	}{
		"wrong once":  {wrong, content, true},
		"wrong twice": {wrong, wrong, false},
		"too long":    {append(content[:len(content):len(content)], 'x'), content, true},
		"too short":   {content[:5], content, true},
	} {
		s, d := open(t, t.TempDir()), describe(content)
		var read atomic.Int64
		calls := 0
		path, err := s.Fetch(t.Context(), d, func(ctx context.Context, d v1.Descriptor, offset int64) (io.ReadCloser, error) {
			calls++
			if calls == 1 {
				return giving(v.first, &read)(ctx, d, offset)
			}
			if offset != 0 {
				t.Errorf("%s: read again from byte %d on", name, offset)
			}
			return giving(v.second, &read)(ctx, d, offset)
		}, nil)
		if v.ok != (err == nil) || !v.ok && !corrupt.Is(err) || calls != 2 {
			t.Errorf("%s: %v after %d calls", name, err, calls)
		}
		if !v.ok && s.Have(d) != 0 {
			t.Errorf("%s: %d bytes have stayed at %s", name, s.Have(d), path)
		}
	}
}

// TestDamaged: what is found in the spool is not trusted.
func TestDamaged(t *testing.T) {
	for name, there := range map[string][]byte{"whole": bytes.ToUpper(content), "longer": append(content, content...), "": nil} {
		for _, suffix := range []string{"", partialSuffix} {
			s, d := open(t, t.TempDir()), describe(content)
			path, _ := s.Path(d)
			os.MkdirAll(path[:strings.LastIndexByte(path, '/')], 0o755)
			os.WriteFile(path+suffix, there, 0o644)
			var read atomic.Int64
			if _, err := s.Fetch(t.Context(), d, giving(content, &read), nil); err != nil {
				t.Errorf("%s%s: %v", name, suffix, err)
			}
			if text, _ := os.ReadFile(path); !bytes.Equal(text, content) {
				t.Errorf("%s%s: it has other bytes", name, suffix)
			}
		}
	}
}

// TestTogether: several at one blob read it once.
func TestTogether(t *testing.T) {
	dir, d := t.TempDir(), describe(content)
	var read atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := open(t, dir).Fetch(context.Background(), d, giving(content, &read), nil); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if read.Load() != d.Size {
		t.Errorf("%d bytes were read, want %d", read.Load(), d.Size)
	}
}

// TestKept: what index.json leads to belongs to whoever listed it.
func TestKept(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	layer, config := describe(content), describe([]byte("{}"))
	text := []byte(`{"schemaVersion":2,"config":` + asJSON(config) + `,"layers":[` + asJSON(layer) + `]}`)
	manifest := describe(text)
	manifest.MediaType = v1.MediaTypeImageManifest
	var read atomic.Int64
	if _, err := s.Fetch(t.Context(), manifest, giving(text, &read), nil); err != nil {
		t.Fatal(err)
	}
	if s.Kept(manifest) || s.Kept(layer) {
		t.Error("it is kept before it is listed")
	}
	if err := s.Keep(t.Context(), manifest, "a"); err != nil {
		t.Fatal(err)
	}
	if err := s.Keep(t.Context(), manifest, "a"); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*Spool{s, open(t, dir)} {
		if index, err := s.index(); err != nil || len(index.Manifests) != 1 {
			t.Errorf("%v, %v", index, err)
		}
		for _, d := range []v1.Descriptor{manifest, layer, config} {
			if !s.Kept(d) {
				t.Errorf("%s is not kept", d.Digest)
			}
		}
	}
}

// TestKeptUnread: what a manifest that cannot be read this time leads to nobody knows, and
// so nothing goes.
func TestKeptUnread(t *testing.T) {
	s := open(t, t.TempDir())
	manifest, layer := describe([]byte("{}")), describe(content)
	manifest.MediaType = v1.MediaTypeImageManifest
	if err := s.Keep(t.Context(), manifest, "a"); err != nil {
		t.Fatal(err)
	}
	if s.Kept(layer) {
		t.Error("it is kept by a manifest that is missing")
	}
	path, err := s.Path(manifest)
	if err != nil {
		t.Fatal(err)
	}
	// A link to itself is refused, as a disk may refuse a file.
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.Symlink(path, path)); err != nil {
		t.Fatal(err)
	}
	if !s.Kept(layer) {
		t.Error("it is not kept")
	}
}

// TestDrop: what is not needed goes, but for what is kept and what somebody is at.
func TestDrop(t *testing.T) {
	s, d := open(t, t.TempDir()), describe(content)
	var read atomic.Int64
	_, err := s.Fetch(t.Context(), d, giving(content, &read), nil)
	if err != nil {
		t.Fatal(err)
	}
	busy, err := s.lockPartial(t.Context(), blobName(t, d)+partialSuffix, func() {})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Drop(d); err != nil {
		t.Error(err)
	}
	if !s.Whole(d) {
		t.Error("a blob that somebody is at has gone")
	}
	if _, err := os.Stat(busy.Name()); err != nil {
		t.Error("somebody's partial file has gone")
	}
	busy.Close()
	if err := errors.Join(s.Drop(d), s.Drop(d)); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(busy.Name()); err == nil || s.Have(d) != 0 {
		t.Error("it has stayed")
	}
	if err := s.Keep(t.Context(), d, "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Fetch(t.Context(), d, giving(content, &read), nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Drop(d); err != nil || s.Have(d) != d.Size {
		t.Errorf("what is kept has gone: %v", err)
	}
}

// TestRemove: by its path only the blob of that digest in a spool is removed.
func TestRemove(t *testing.T) {
	dir := t.TempDir()
	s, d := open(t, dir), describe(content)
	var read atomic.Int64
	path, err := s.Fetch(t.Context(), d, giving(content, &read), nil)
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Dir(path)
	other := filepath.Join(folder, strings.Repeat("0", 64))
	elsewhere := filepath.Join(t.TempDir(), "blobs/sha256", d.Digest.Encoded())
	link := filepath.Join(t.TempDir(), "link")
	stays := []string{other, elsewhere, filepath.Join(dir, "index.json"), filepath.Join(dir, "oci-layout"), dir + "/blobs/" + d.Digest.Encoded()}
	os.MkdirAll(filepath.Dir(elsewhere), 0o755)
	os.Symlink(path, link)
	for _, name := range stays {
		if _, err := os.Stat(name); err != nil {
			os.WriteFile(name, content, 0o644)
		}
		if err := Remove(name, d.Digest); err != nil {
			t.Error(err)
		}
	}
	nothing := digest.FromString("no blob of the spool")
	for _, err := range []error{
		Remove(link, d.Digest), Remove(folder, d.Digest), Remove("", d.Digest), Remove("/", d.Digest), Remove(path, ""), Remove(path, nothing),
		Remove(filepath.Join(folder, nothing.Encoded()), nothing), Remove(dir+"/blobs/sha512/"+digest.SHA512.FromString("x").Encoded(), digest.SHA512.FromString("x")),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	for _, name := range append(stays, link, path) {
		if _, err := os.Stat(name); err != nil {
			t.Errorf("%s has gone", name)
		}
	}
	busy, err := s.lockPartial(t.Context(), blobName(t, d)+partialSuffix, func() {})
	if err != nil {
		t.Fatal(err)
	}
	if err := Remove(path, d.Digest); err != nil || !s.Whole(d) {
		t.Errorf("a blob that somebody is at has gone, %v", err)
	}
	busy.Close()
	if err := s.Keep(t.Context(), d, "a"); err != nil {
		t.Fatal(err)
	}
	if err := Remove(path, d.Digest); err != nil || !s.Whole(d) {
		t.Errorf("a blob that is kept has gone, %v", err)
	}
	if err := s.writeJSON("index.json", emptyIndex()); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	if err := Remove("blobs/../blobs/sha256/"+d.Digest.Encoded(), d.Digest); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("it has stayed")
	}
	if partial, _ := filepath.Glob(dir + "/blobs/*/*" + partialSuffix); partial != nil {
		t.Errorf("left behind: %s", partial)
	}
	if path, err = s.Fetch(t.Context(), d, giving(content, &read), nil); err != nil {
		t.Fatal(err)
	}
	if err := Remove(path, d.Digest); err != nil || s.Have(d) > 0 {
		t.Errorf("it has stayed, %v", err)
	}
}

// TestLyingSize: a descriptor that lies about a blob's size takes nothing away.
func TestLyingSize(t *testing.T) {
	s, d := open(t, t.TempDir()), describe(content)
	var read atomic.Int64
	if _, err := s.Fetch(t.Context(), d, giving(content, &read), nil); err != nil {
		t.Fatal(err)
	}
	lying := d
	lying.Size = 10
	if _, err := s.Fetch(t.Context(), lying, giving(content, &read), nil); !corrupt.Is(err) {
		t.Errorf("%v", err)
	}
	if !s.Whole(d) {
		t.Error("the blob has gone")
	}
}

func asJSON(d v1.Descriptor) string {
	return `{"mediaType":"` + d.MediaType + `","digest":"` + d.Digest.String() + `","size":1}`
}

// FuzzIndex: whatever a spool's index.json says, it is opened or refused.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"manifests":[{"mediaType":"` + v1.MediaTypeImageIndex + `","digest":"sha256:` + strings.Repeat("0", 64) + `","size":-1}]}`))
	f.Add([]byte(`{"manifests":[{"mediaType":"` + v1.MediaTypeImageManifest + `","digest":"../../x","size":1}]}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		open(t, dir)
		if err := os.WriteFile(dir+"/index.json", text, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), dir); err != nil && !corrupt.Is(err) {
			t.Error(err)
		}
	})
}

// BenchmarkFetch fetches a blob of 64 MiB out of memory.
func BenchmarkFetch(b *testing.B) {
	big := bytes.Repeat(content, 64<<20/len(content))
	d := describe(big)
	b.SetBytes(d.Size)
	var read atomic.Int64
	for b.Loop() {
		if _, err := open(b, b.TempDir()).Fetch(context.Background(), d, giving(big, &read), nil); err != nil {
			b.Fatal(err)
		}
	}
}
