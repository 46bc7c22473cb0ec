package pull_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/blob"
	"cfs/lib/corrupt"
	"cfs/lib/internal/repotest"
	"cfs/lib/oci"
	"cfs/lib/progress"
	"cfs/lib/pull"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/spool"
	"cfs/lib/verity"
)

// fetching is a Fetcher of an image, and what it writes.
type fetching struct {
	*pull.Fetcher
	out    bytes.Buffer
	layers []pull.Layer
}

// newFetching opens an image, and the spool at dir if there is one.
func newFetching(t *testing.T, name, dir string) *fetching {
	t.Helper()
	f := &fetching{Fetcher: &pull.Fetcher{Origin: mustOpen(t, name), Jobs: 2, Meter: (&progress.Printer{Mode: progress.None, Out: os.Stderr}).Meter()}}
	f.Out = &record.Writer{Out: &f.out}
	var err error
	if f.layers, err = f.Layers(); err != nil {
		t.Fatal(err)
	}
	if dir == "" {
		return f
	}
	if f.Spool, err = spool.Open(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	return f
}

// records runs the Fetcher and returns its records, of which those of layers come sorted:
// they are written as they get ready.
func (f *fetching) records(t *testing.T) []string {
	t.Helper()
	if err := f.Run(t.Context(), f.layers, nil); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(f.out.String(), "\n"), "\n")
	slices.Sort(lines[:len(lines)-2])
	return lines
}

// want returns the records of an image that is at its SOURCE, and whose blobs are in a
// layout at dir, with more keys at the end.
func (s *sample) want(source, dir, more string) []string {
	line := func(kind string, d v1.Descriptor, keys, end string) string {
		return fmt.Sprintf("%s %s%s media-type=%s size=%d%s path=%s/blobs/sha256/%s%s", kind, d.Digest, keys, d.MediaType, d.Size, end, dir, d.Digest.Encoded(), more)
	}
	var lines []string
	for _, d := range s.layers {
		lines = append(lines, line("layer", d, " diff-id="+d.Digest.String(), " for="+s.manifest.Digest.String()))
	}
	slices.Sort(lines)
	return append(lines, line("config", s.config, "", ""), line("manifest", s.manifest, "", " source="+source))
}

func wantRecords(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestFetchLocal: blobs that are files are named where they are.
func TestFetchLocal(t *testing.T) {
	s := newSample(t, tarOf(t, "a", "aaa"), tarOf(t, "b", "bbb"))
	f := newFetching(t, s.layout(), "")
	wantRecords(t, "local", f.records(t), s.want(s.layout(), s.dir, ""))
	os.Remove(s.path(s.layers[1]))
	if err := f.Run(t.Context(), f.layers, nil); !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), "layer "+s.layers[1].Digest.String()) {
		t.Error(err)
	}
}

// TestFetchSpool: others come into the spool. What is there by now is found there, and a
// spool that is kept becomes a layout of the image.
func TestFetchSpool(t *testing.T) {
	s, dir := newSample(t, tarOf(t, "a", "aaa"), tarOf(t, "b", "bbb"), tarOf(t, "c", "ccc")), t.TempDir()
	name := s.archive(t)
	for range 2 {
		wantRecords(t, "spooled", newFetching(t, name, dir).records(t), s.want(name, dir, " spooled=1"))
	}
	f := newFetching(t, name, dir)
	f.Keep = true
	wantRecords(t, "kept", f.records(t), s.want(name, dir, ""))
	wantRecords(t, "kept before", newFetching(t, name, dir).records(t), s.want(name, dir, ""))
	again := newFetching(t, "oci:"+dir+":"+name, "")
	wantRecords(t, "from the spool", again.records(t), s.want("oci:"+dir+":"+name, dir, ""))
}

// TestFetchStored: what the repository has is not fetched, and what a killed pull left of it
// in the spool is dropped.
func TestFetchStored(t *testing.T) {
	a, b := tarOf(t, "a", "aaa"), tarOf(t, "b", "bbb")
	s, dir := newSample(t, a, b), t.TempDir()
	name := s.archive(t)
	r := repoWith(t, a)
	stream, err := r.Lookup(repo.Streams, oci.LayerName(oci.Key(s.layers[0].Digest)))
	if err != nil {
		t.Fatal(err)
	}
	newFetching(t, name, dir).records(t)
	for _, keep := range []bool{true, false} {
		f := newFetching(t, name, dir)
		if err := pull.FindStored(r, f.layers); err != nil {
			t.Fatal(err)
		}
		f.Keep = keep
		lines := f.records(t)
		want := fmt.Sprintf("layer %s diff-id=%s media-type=%s size=2048 for=%s stream=%s", s.layers[0].Digest, s.layers[0].Digest, s.layers[0].MediaType, s.manifest.Digest, stream)
		if len(lines) != 4 || !slices.Contains(lines, want) {
			t.Errorf("keep %v:\n%s\nwant\n%s", keep, strings.Join(lines, "\n"), want)
		}
		if keep != f.Spool.Whole(s.layers[0]) || !f.Spool.Whole(s.layers[1]) {
			t.Errorf("keep %v: in the spool: %v, %v", keep, f.Spool.Whole(s.layers[0]), f.Spool.Whole(s.layers[1]))
		}
		if keep { // of the next one
			must(t, os.WriteFile(dir+"/index.json", []byte(`{"schemaVersion":2,"manifests":[]}`), 0o644))
		}
	}
}

// TestFetchWithoutLayers: a spool that is kept is no layout of an image whose layers are
// in the repository alone.
func TestFetchWithoutLayers(t *testing.T) {
	a := tarOf(t, "a", "aaa")
	s, dir := newSample(t, a), t.TempDir()
	f := newFetching(t, s.archive(t), dir)
	f.Keep = true
	if err := pull.FindStored(repoWith(t, a), f.layers); err != nil {
		t.Fatal(err)
	}
	f.records(t)
	if index, err := os.ReadFile(dir + "/index.json"); err != nil || strings.Contains(string(index), s.manifest.Digest.String()) {
		t.Errorf("%s, %v", index, err)
	}
}

// TestFetchDamaged: a blob that is wrong has no record, nor has anything after it.
func TestFetchDamaged(t *testing.T) {
	s := newSample(t, tarOf(t, "a", "aaa"))
	s.file(t, "blobs/sha256/"+s.layers[0].Digest.Encoded(), make([]byte, s.layers[0].Size))
	f := newFetching(t, s.archive(t), t.TempDir())
	err := f.Run(t.Context(), f.layers, nil)
	if !corrupt.Is(err) || !strings.HasPrefix(err.Error(), "layer "+s.layers[0].Digest.String()+": ") || f.out.Len() > 0 {
		t.Errorf("%v, and %s", err, f.out.String())
	}
}

// TestFetchCanceled: what was not begun is not fetched once the context has ended.
func TestFetchCanceled(t *testing.T) {
	s := newSample(t, tarOf(t, "a", "aaa"), tarOf(t, "b", "bbb"))
	f := newFetching(t, s.archive(t), t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Run(ctx, f.layers, nil); !errors.Is(err, context.Canceled) || f.out.Len() > 0 {
		t.Errorf("%v, and %s", err, f.out.String())
	}
}

// TestFetchBadSpool: a spool that cannot be written says so.
func TestFetchBadSpool(t *testing.T) {
	s, dir := newSample(t, tarOf(t, "a", "aaa")), t.TempDir()
	for _, d := range []v1.Descriptor{s.manifest, s.config, s.layers[0]} {
		f := newFetching(t, s.archive(t), dir)
		path, err := f.Spool.Path(d)
		must(t, err)
		must(t, os.RemoveAll(path))
		must(t, os.MkdirAll(path+"/in", 0o755))
		if err := f.Run(t.Context(), f.layers, nil); err == nil || !strings.Contains(err.Error(), d.Digest.String()+": spool: ") {
			t.Errorf("%s: %v", d.MediaType, err)
		}
	}
	f := newFetching(t, s.layout(), "")
	f.Out = &record.Writer{Out: full{}}
	if err := f.Run(t.Context(), f.layers, nil); !errors.Is(err, errFull) {
		t.Error(err)
	}
}

// full is where nothing can be written.
type full struct{}

var errFull = errors.New("full")

func (full) Write([]byte) (int, error) { return 0, errFull }

// repoWith makes a repository that has the layers of tars.
func repoWith(t *testing.T, tars ...[]byte) *repo.Repo {
	t.Helper()
	r := repotest.New(t, verity.SHA256)
	for _, text := range tars {
		done, err := oci.ImportLayer(t.Context(), r, bytes.NewReader(text), blob.None, oci.Source{Size: -1})
		must(t, err)
		must(t, r.Link(repo.Streams, oci.LayerName(oci.Key(done.DiffID)), done.Stream))
	}
	return r
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
