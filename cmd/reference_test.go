package cmd

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cfs/cmd/cmdtest"
	"cfs/lib/splitstream"
	"cfs/lib/verity"
)

// untarSmall unpacks the repository that the reference's first pull has made.
func untarSmall(t *testing.T) (repo string) {
	t.Helper()
	repo = filepath.Join(cmdtest.Scratch(t), "repo")
	in := tar.NewReader(strings.NewReader(readSmall(t, "repo-first-pull.tar")))
	for {
		h, err := in.Next()
		if err == io.EOF {
			return repo
		}
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(repo, h.Name)
		switch h.Typeflag {
		case tar.TypeDir:
			err = os.MkdirAll(name, h.FileInfo().Mode().Perm())
		case tar.TypeSymlink:
			err = os.Symlink(h.Linkname, name)
		default:
			var data []byte
			if data, err = io.ReadAll(in); err == nil {
				err = os.WriteFile(name, data, 0o644)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

const (
	smallManifest = "sha256:e23857a55c29450363b6b0dd06a92d5fb2d2333bb9cfb8f2297b5e7c991bfe40"
	smallConfig   = "sha256:03d04a62a3e84ab47c751afa81a46b7afda37409cf52f6c44fba4eaeb8c1296f"
)

// TestReference: every tool reads the reference's repository.
func TestReference(t *testing.T) {
	t.Parallel()
	repo := untarSmall(t)
	readReference(t, repo)

	// What it has left behind is garbage, and nothing else.
	if got, want := must(t, repo, "cfs-gc --dry-run"), readSmall(t, "cfsctl-output/gc-dry-run.txt"); got != want {
		t.Errorf("cfs-gc --dry-run:\n%swant\n%s", got, want)
	}
	if got, want := must(t, repo, "cfs-gc"), readSmall(t, "cfsctl-output/gc.txt"); got != want {
		t.Errorf("cfs-gc:\n%swant\n%s", got, want)
	}
	if diff := cmp.Diff(readSmall(t, "listing-after-gc.txt"), list(t, repo)); diff != "" {
		t.Errorf("after cfs-gc (-reference +ours):\n%s", diff)
	}
	readReference(t, repo)
}

// readReference compares what the tools tell of the repository with what the
// reference does.
func readReference(t *testing.T, repo string) {
	t.Helper()
	images := strings.Fields(readSmall(t, "cfsctl-output/compute-id.txt")) // "V0", digest, "V1", …
	for code, want := range map[string]string{
		"cfs-link ls":                                               "small:latest\t" + smallManifest + "\t" + images[3] + "\n",
		"cfs-link ls --missing":                                     "",
		"cfs-link why " + smallConfig:                               "small:latest\n",
		"cfs-link why " + images[3]:                                 "small:latest\n",
		"cfs-mkerofs dump small:latest":                             readSmall(t, "cfsctl-output/rootfs.dumpfile"),
		"cfs-mkerofs dump @" + smallConfig:                          readSmall(t, "cfsctl-output/rootfs.dumpfile"),
		"cfs-mkerofs --oci small:latest":                            images[3] + "\n",
		"cfs-mkerofs --oci small:latest --erofs-version 0":          images[1] + "\n",
		"cfs-mkerofs --oci " + smallManifest + " --erofs-version 2": images[5] + "\n",
		"cfs-import cat oci-manifest-" + smallManifest:              readSmall(t, "oci/blobs/sha256/"+smallManifest[len("sha256:"):]),
		"cfs-import cat oci-config-" + smallConfig:                  readSmall(t, "oci/blobs/sha256/"+smallConfig[len("sha256:"):]),
		"cfs-import cat refs/oci/small:latest":                      readSmall(t, "oci/blobs/sha256/"+smallManifest[len("sha256:"):]),
		"cfs-link show small:latest | cfs-import --progress none | cfs-mkerofs | cfs-link --no-tag | grep ^image": "image " + images[3] + " variant=plain erofs-version=1\n",
	} {
		if got := must(t, repo, code); got != want {
			t.Errorf("%s:\n%swant\n%s", code, got, want)
		}
	}
	must(t, repo, "cfs-gc check --content")
	must(t, repo, "cfs-gc check --content small:latest")
}

// TestReferencePull: pulling again what the reference has pulled writes nothing, and
// an EROFS image that was lost comes back.
func TestReferencePull(t *testing.T) {
	t.Parallel()
	repo := untarSmall(t)
	before := timedList(t, repo)
	first := must(t, repo, smallPull)
	for range 2 {
		if again := must(t, repo, smallPull); again != first {
			t.Errorf("pulled again:\n%swas\n%s", again, first)
		}
	}
	if after := timedList(t, repo); after != before {
		t.Errorf("pulling has written (-before +after):\n%s", cmp.Diff(before, after))
	}
	must(t, repo, "cfs-gc")
	clean := list(t, repo)
	for _, lost := range []string{"rm -r images", "rm objects/b4/*", "rm -r images objects/b4"} {
		must(t, repo, "cd "+cmdtest.Quote(repo)+" && "+lost)
		if again := must(t, repo, smallPull); again != first {
			t.Errorf("pulled again after %s:\n%swas\n%s", lost, again, first)
		}
		if got := list(t, repo); got != clean {
			t.Errorf("after %s and a pull (-before +after):\n%s", lost, cmp.Diff(clean, got))
		}
	}
}

// timedList is listing less the folder of refs, into which the first pull of ours puts
// the folder of leases.
func timedList(t *testing.T, repo string) string {
	t.Helper()
	text, err := listing(repo)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(text, "\n")
	return strings.Join(slices.DeleteFunc(lines, func(s string) bool { return strings.HasSuffix(s, " /streams/refs \n") }), "")
}

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
