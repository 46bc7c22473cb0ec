package cmd

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/faultproxy"
	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/registrytest"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// fetching is an image in a registry behind a proxy, and a user who gets it.
type fetching struct {
	*home
	registry *registrytest.Registry // as the user sees it, by the proxy
	proxy    *faultproxy.Proxy
	layout   string // what was pushed
	source   string
	code     string // the command
}

// randomImage writes a layout of layers that do not compress.
func randomImage(t testing.TB, seed uint64, sizes ...int) (dir string) {
	t.Helper()
	dir = cmdtest.Scratch(t)
	imagetest.Make(t, dir, imagetest.NoiseLayers(t, seed, sizes...)...)
	return dir
}

// newFetching pushes an image of layers of random content.
func newFetching(t testing.TB, behind *registrytest.Registry, sizes ...int) *fetching {
	t.Helper()
	layout := randomImage(t, 4, sizes...)
	behind.Push(t, layout, "some/image:1")
	return fetchingOf(t, behind, layout, "some/image:1")
}

// fetchingOf puts a new proxy and a new user before an image that was pushed.
func fetchingOf(t testing.TB, behind *registrytest.Registry, layout, name string) *fetching {
	t.Helper()
	r := *behind
	f := &fetching{home: newHome(t), registry: &r, proxy: faultproxy.New(t, behind.Addr), layout: layout}
	r.Addr = f.proxy.Addr
	f.source = r.Source(name)
	f.code = "cfs-fetch --tls-verify=false --progress=none --spool=$HOME/spool "
	if r.Password != "" {
		f.stdin = r.Password
		f.code += "--creds=" + registrytest.User + " --password-stdin "
	}
	f.code += f.source
	return f
}

// layers returns the descriptors of the image's layers.
func (f *fetching) layers() []v1.Descriptor { return imagetest.Manifest(f.t, f.layout).Layers }

// size is that of all layers.
func (f *fetching) size() (n int64) {
	for _, l := range f.layers() {
		n += l.Size
	}
	return n
}

// succeeds runs the command, which must name all blobs of the image, and leave nothing
// else in the spool.
func (f *fetching) succeeds() result {
	f.t.Helper()
	r := f.run(f.code)
	if r.Status != 0 {
		f.t.Fatalf("exit status %d\n%s%s", r.Status, r.Stdout, r.Stderr)
	}
	f.wantRecords(r.Stdout)
	f.wantSpool()
	return r
}

// killedAfter runs a command that starts one process, and kills that after n bytes of
// blobs, if so many come.
func (f *fetching) killedAfter(n int64, code string) result {
	f.t.Helper()
	c := f.command("exec " + code)
	f.proxy.KillAfter(n, func() { c.Process.Kill() })
	r := cmdtest.Run(f.t, c)
	f.proxy.WaitIdle()
	f.proxy.KillAfter(0, nil)
	return r
}

// wantRecords checks that each blob of the image has a record, the manifest the last,
// and that what a record names is there.
func (f *fetching) wantRecords(records string) {
	f.t.Helper()
	m := imagetest.Manifest(f.t, f.layout)
	want := map[string]string{m.Config.Digest.String(): "config", imagetest.Top(f.t, f.layout).Digest.String(): "manifest"}
	for _, l := range m.Layers {
		want[l.Digest.String()] = "layer"
	}
	got, last := map[string]string{}, ""
	for line := range strings.Lines(whole(records)) {
		r := parseRecord(f.t.(*testing.T), line)
		got[r.Digest], last = r.Kind, r.Kind
		f.wantFile(r.Get("path"), r.Digest, r.Get("size"))
		if r.Get("spooled") != "1" {
			f.t.Errorf("no spooled=1: %s", line)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || last != "manifest" || strings.Count(whole(records), "\n") != len(want) {
		f.t.Errorf("records (-want +got):\n%s\n%s", diff, records)
	}
}

// whole returns the records that are about what is there, and not on its way.
func whole(records string) string {
	lines := slices.DeleteFunc(strings.SplitAfter(records, "\n"), func(line string) bool { return strings.HasPrefix(line, "fetching ") })
	return strings.Join(lines, "")
}

// wantFile checks that a file is what a digest names.
func (f *fetching) wantFile(path, digest, size string) {
	f.t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		f.t.Error(err)
		return
	}
	if got := fmt.Sprintf("sha256:%x", sha256.Sum256(data)); got != digest || fmt.Sprint(len(data)) != size {
		f.t.Errorf("%s holds %s, %d bytes; want %s, %s bytes", path, got, len(data), digest, size)
	}
}

// wantSpool checks that the spool's blobs are those of the image, whole.
func (f *fetching) wantSpool() {
	f.t.Helper()
	if diff := cmp.Diff(files(f.t, f.layout+"/blobs"), files(f.t, f.dir+"/spool/blobs")); diff != "" {
		f.t.Errorf("blobs in the spool (-registry +spool):\n%s", diff)
	}
}

// wantNoBlob checks that a blob is not in the spool under its name.
func (f *fetching) wantNoBlob(d v1.Descriptor) {
	f.t.Helper()
	if _, err := os.Lstat(filepath.Join(f.dir, "spool/blobs/sha256", d.Digest.Encoded())); err == nil {
		f.t.Errorf("%s is in the spool, and should not", d.Digest)
	}
}

// wantDelivered checks that of each blob no more came than it has, but for what may be
// lost with each cut, and the whole once more for each lie.
func (f *fetching) wantDelivered() {
	f.t.Helper()
	const lost = 64 << 10
	for _, l := range f.layers() {
		got := f.proxy.Of(l.Digest.String())
		if most := l.Size*int64(1+got.Lies) + int64(got.Cuts+got.Lies)*lost; got.Delivered > most {
			f.t.Errorf("%s of %d bytes: %+v, want at most %d bytes", l.Digest, l.Size, got, most)
		}
	}
}

// files returns the digests of all files below a folder, by their paths there.
func files(t testing.TB, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		found[strings.TrimPrefix(path, dir)] = fmt.Sprintf("%x", sha256.Sum256(data))
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return found
}

// sortedLines are records in an order that does not depend on which layer came first.
func sortedLines(text string) string {
	return strings.Join(slices.Sorted(maps.Keys(lineSet(text))), "")
}

func lineSet(text string) map[string]bool {
	set := map[string]bool{}
	for line := range strings.Lines(text) {
		set[line] = true
	}
	return set
}
