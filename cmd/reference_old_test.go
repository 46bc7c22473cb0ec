package cmd

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cfs/cmd/cmdtest"
	"cfs/lib/splitstream"
	"cfs/lib/verity"
)

// TestOldHeader: the same repository with all splitstreams in the layout of the
// header that earlier versions of the reference wrote.
func TestOldHeader(t *testing.T) {
	t.Parallel()
	repo := untarSmall(t)
	must(t, repo, "cfs-gc")
	renamed := map[string]verity.ID{} // objects of streams, by the digest that they had
	for _, kind := range []string{"layer", "config", "manifest"} {
		links, err := filepath.Glob(repo + "/streams/oci-" + kind + "-*")
		if err != nil || len(links) == 0 {
			t.Fatal(links, err)
		}
		for _, link := range links {
			ageHeader(t, repo, link, renamed)
		}
	}
	if out := must(t, repo, "cfs-import show refs/oci/small:latest"); !strings.Contains(out, "\nheader old\n") {
		t.Error(out)
	}
	readReference(t, repo)
	if out := must(t, repo, "cfs-gc"); !strings.HasPrefix(out, "Objects: 0 removed") {
		t.Error(out)
	}
	before := list(t, repo)
	must(t, repo, smallPull)
	if after := list(t, repo); after != before {
		t.Errorf("pulling has written (-before +after):\n%s", cmp.Diff(before, after))
	}
}

// writeObject puts an object into a repository.
func writeObject(t *testing.T, repo string, id verity.ID, data []byte) {
	t.Helper()
	path := filepath.Join(repo, "objects", id.ObjectPath())
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// ageHeader rewrites the stream that a name leads to, under its new digest, with the
// old header and with the new digests of the streams that it refers to.
func ageHeader(t *testing.T, repo, link string, renamed map[string]verity.ID) {
	t.Helper()
	path, err := filepath.EvalSymlinks(link)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	old := verity.SHA256.Sum(file)
	for was, is := range renamed {
		id, err := verity.ParseID(was)
		if err != nil {
			t.Fatal(err)
		}
		file = bytes.ReplaceAll(file, id.Bytes(), is.Bytes()) // stream refs are not compressed
	}
	h := bytes.Clone(file[:32])
	copy(file[0:16], h[16:32])  // info block
	copy(file[16:18], h[12:14]) // flags
	copy(file[18:29], h[0:11])  // magic
	copy(file[29:30], h[11:12]) // version
	copy(file[30:32], h[14:16]) // algorithm, block size
	id := verity.SHA256.Sum(file)
	renamed[old.String()] = id
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	writeObject(t, repo, id, file)
	must(t, repo, "ln -sfn ../objects/"+id.ObjectPath()+" "+cmdtest.Quote(link))
}

// TestNoMetadata: a repository from before there was meta.json is one of format 2, which
// is only read.
func TestNoMetadata(t *testing.T) {
	t.Parallel()
	repo := untarSmall(t)
	must(t, repo, "cfs-gc")
	if err := os.Remove(filepath.Join(repo, "meta.json")); err != nil {
		t.Fatal(err)
	}
	images := strings.Fields(readSmall(t, "cfsctl-output/compute-id.txt"))
	before := list(t, repo)
	if got, want := must(t, repo, "cfs-link ls"), "small:latest\t"+smallManifest+"\t-\n"; got != want {
		t.Errorf("cfs-link ls: %swant %s", got, want)
	}
	if got := must(t, repo, "cfs-mkerofs --oci small:latest"); got != images[5]+"\n" {
		t.Errorf("cfs-mkerofs: %swant %s", got, images[5])
	}
	if got, want := must(t, repo, "cfs-mkerofs dump "+images[3]), readSmall(t, "cfsctl-output/rootfs.dumpfile"); got != want {
		t.Errorf("dump:\n%s", cmp.Diff(want, got))
	}
	must(t, repo, "cfs-gc check --content")
	must(t, repo, "cfs-gc --dry-run")
	for _, code := range []string{smallPull, smallPull + " --init --insecure", "cfs-gc", "cfs-link untag small:latest", "cfs-gc check --repair"} {
		wantError(t, shell(t, repo, code), 1, "meta.json")
	}
	if after := list(t, repo); after != before {
		t.Errorf("reading has written (-before +after):\n%s", cmp.Diff(before, after))
	}
}

// TestLaterReferences: references to images of kinds that a later writer may have stay
// with a config that is written again.
func TestLaterReferences(t *testing.T) {
	t.Parallel()
	repo := untarSmall(t)
	link := filepath.Join(repo, "streams/oci-config-"+smallConfig)
	file, err := os.ReadFile(link)
	if err != nil {
		t.Fatal(err)
	}
	r, err := splitstream.NewReader(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w, err := splitstream.NewWriter(r.Algorithm, splitstream.Config, func() (*os.File, error) { return os.CreateTemp(t.TempDir(), "") })
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	const later = "composefs.image.boot.v9.xattrs=all"
	for _, ref := range r.Refs {
		w.AddRef(ref.Name, ref.ID)
	}
	w.AddRef(later, r.Ref("composefs.image.v1"))
	if err := w.WriteObject(r.Objects[0], r.Size); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := w.Finish(&out); err != nil {
		t.Fatal(err)
	}
	id := r.Algorithm.Sum(out.Bytes())
	writeObject(t, repo, id, out.Bytes())
	must(t, repo, "ln -sfn ../objects/"+id.ObjectPath()+" "+cmdtest.Quote(link))

	records := must(t, repo, smallPull)
	if strings.Count(records, "\nimage ") != 1 {
		t.Errorf("cfs-pull printed\n%s", records)
	}
	must(t, repo, "cfs-link show small:latest | cfs-mkerofs --erofs-version 2 | cfs-link --tag small:latest && cfs-gc")
	show := must(t, repo, "cfs-import show oci-config-"+smallConfig)
	for _, name := range []string{later, "composefs.image", "composefs.image.v1"} {
		if !strings.Contains(show, " "+name+"\n") {
			t.Errorf("the config does not refer to %s:\n%s", name, show)
		}
	}
	must(t, repo, "cfs-gc check --content")
}
