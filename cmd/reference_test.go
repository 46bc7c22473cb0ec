package cmd

import (
	"archive/tar"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cfs/cmd/cmdtest"
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

// TestReferencePull: pulling again what the reference has pulled writes nothing but what is
// ours alone, and that once; an EROFS image that was lost comes back.
func TestReferencePull(t *testing.T) {
	t.Parallel()
	repo := untarSmall(t)
	untouched := list(t, repo)
	first := must(t, repo, smallPull)
	if got := list(t, repo); got != untouched {
		t.Errorf("pulling has written (-before +after):\n%s", cmp.Diff(untouched, got))
	}
	before := timedList(t, repo)
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
