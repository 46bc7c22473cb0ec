package cmd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
	"cfs/testdata/rawtar"
)

// TestWild: images as they are in the wild are pulled as runtimes show them, with one warning
// of each kind where cfsctl has another image; with --strict they have the image of cfsctl,
// or are refused.
func TestWild(t *testing.T) {
	t.Parallel()
	dirs, err := filepath.Glob(filepath.Join(vectors, "wild/*/layout"))
	if err != nil || len(dirs) == 0 {
		t.Skip("SKIPPED: the vectors are not here: ", vectors)
	}
	for _, layout := range dirs {
		name := filepath.Base(filepath.Dir(layout))
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(filepath.Join(filepath.Dir(layout), "expected.txt"))
			if err != nil {
				t.Fatal(err)
			}
			reference, err := os.ReadFile(filepath.Join(filepath.Dir(layout), "cfsctl.txt"))
			if err != nil {
				t.Fatal(err)
			}
			repo := filepath.Join(cmdtest.Scratch(t), "repo")
			pull := "cfs-pull --init --insecure --progress none " + vectorPlatform + " " + cmdtest.Quote("oci:"+layout)
			image := "\nimage " + strings.TrimSpace(string(reference)) + " "
			r := shell(t, repo, pull+" strict --strict")
			switch {
			case r.Status == 0 && !strings.Contains(r.Stdout, image):
				t.Errorf("with --strict: %s", r.Stdout)
			case r.Status == 4 && strings.HasPrefix(string(want), "refuse 4"):
			case r.Status != 0:
				wantError(t, r, 1, "refused by --strict")
			}
			strict := r.Status == 0
			r = shell(t, repo, pull+" t")
			if strings.HasPrefix(string(want), "refuse 4") {
				wantError(t, r, 4, " sha256:") // of the layer, or of the manifest
				return
			}
			other := r.Status == 0 && !strings.Contains(r.Stdout, image)
			warnings := strings.Count(r.Stderr, "warning: layer sha256:")
			if r.Status != 0 || strict && (other || r.Stderr != "") || warnings != strings.Count(r.Stderr, "\n") ||
				other && string(reference) != "refused\n" && warnings != 1 {
				t.Errorf("status %d, another image %v, the same with --strict %v\n%s%s", r.Status, other, strict, r.Stdout, r.Stderr)
			}
			c := corpus{repo: repo, mounts: noComposefs() == "" && !testing.Short()}
			if names, ok := strings.CutPrefix(string(want), "names\n"); ok {
				checkNames(t, must(t, repo, "cfs-mkerofs ls t"), names)
			} else {
				c.checkTree(t, "t", string(want))
			}
			must(t, repo, "cfs-gc check --content")
		})
	}
}

// checkNames compares the paths in an image with those that a mount must show.
func checkNames(t *testing.T, got, want string) {
	t.Helper()
	if want = "/\n" + want; got != want {
		t.Errorf("paths %q, want %q", got, want)
	}
}

// hiding returns a layer in which a size without a body hides a file of so many bytes from
// cfsctl, and did from us.
func hiding(size int) []byte {
	link := rawtar.Symlink("usr/l", "x")
	link.Content = string(rawtar.File("usr/hidden", strings.Repeat("hidden ", size/7+1)[:size]).Bytes())
	return rawtar.Tar(rawtar.Dir("usr/"), link, rawtar.File("usr/z", "z"))
}

// TestWildStored: a layer that was stored as cfsctl cuts it is cut anew when it is pulled
// again, and the records say so; what refers to the old one keeps it.
func TestWildStored(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("cfsctl"); err != nil {
		t.Skip("SKIPPED: no cfsctl: ", err)
	}
	for _, size := range []int{65, 300_000} {
		repo := filepath.Join(cmdtest.Scratch(t), "repo")
		layout := t.TempDir()
		imagetest.Make(t, layout, hiding(size))
		must(t, repo, "cfsctl init --insecure $COMPOSEFS_REPO && cfsctl --repo $COMPOSEFS_REPO oci pull oci:"+layout+" old")
		must(t, repo, "cfs-gc check --content")
		before := must(t, repo, "cfs-link show old | grep ^layer")
		records := must(t, repo, "cfs-fetch oci:"+layout+" | cfs-import --progress none | cfs-mkerofs")
		must(t, repo, "cfs-pull --progress none oci:"+layout+" new")
		after := must(t, repo, "cfs-link show new | grep ^layer")
		if before == after || !strings.Contains(records, strings.TrimSpace(after)) {
			t.Errorf("layer before\n%safter\n%sof\n%s", before, after, records)
		}
	}
}
