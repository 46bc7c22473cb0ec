package cmd

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cfs/cmd/cmdtest"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
)

// vector is an image of the vectors, and what the reference made of it.
type vector struct {
	name, dir string

	Manifest, Config string
	Erofs            digests
	KeepUserXattrs   digests                    `json:"erofs_keep_user_xattrs"`
	Boot             map[string]json.RawMessage // digests of the boot variant, or an error
	Layers           []struct {
		DiffID        string `json:"diff_id"`
		Entries       int
		Reconstituted string `json:"reconstituted_sha256"`
	}
}

// digests are those of EROFS images by format, "v0" to "v2", and hash.
type digests map[string]map[string]string

// hashes are those that a repository can have.
var hashes = []string{"sha256", "sha512"}

// readVectors reads the vectors whose folders match one of the patterns.
func readVectors(t *testing.T, patterns ...string) []vector {
	t.Helper()
	var list []vector
	for _, pattern := range patterns {
		files, err := filepath.Glob(filepath.Join(vectors, pattern, "expected.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			v := vector{dir: filepath.Dir(file), name: filepath.Base(filepath.Dir(file))}
			if err := json.Unmarshal(text, &v); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			list = append(list, v)
		}
	}
	if len(list) == 0 {
		t.Skip("SKIPPED: the reference's vectors are not here: ", vectors)
	}
	return list
}

// source returns what cfs-fetch takes for the vector, as a word of sh code.
func (v vector) source() string { return cmdtest.Quote("oci:" + filepath.Join(v.dir, "layout")) }

// vectorPlatform is what the vectors' images are for.
const vectorPlatform = "--platform linux/amd64"

// otherwise are the vectors that runtimes show otherwise than the reference, and the status
// of a pull: their whiteouts stand behind members of the same layer, and one is of no name.
var otherwise = map[string]int{"05-whiteouts": 4, "e05-opaque-order": 0}

// asReference leaves out those that are otherwise.
func asReference(list []vector) []vector {
	return slices.DeleteFunc(list, func(v vector) bool { _, ok := otherwise[v.name]; return ok })
}

// TestOtherwise: what runtimes show otherwise than the reference is another image, with a
// warning, or is refused; --strict refuses all of it.
func TestOtherwise(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t, "layers/*") {
		status, ok := otherwise[v.name]
		if !ok {
			continue
		}
		repo := filepath.Join(cmdtest.Scratch(t), "repo")
		code := fmt.Sprintf("cfs-pull --init --insecure --progress none %s %s t", vectorPlatform, v.source())
		wantError(t, shell(t, repo, code+" --strict"), 1, "refused by --strict: a whiteout after members of its own layer")
		wantError(t, shell(t, repo, code), status, "layer sha256:", "/.wh.")
	}
}

// TestVectors: every image of the vectors, pulled, is what it is for the reference.
func TestVectors(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	for _, v := range asReference(readVectors(t, "layers/*", "images/*")) {
		for _, hash := range hashes {
			t.Run(v.name+"/"+hash, func(t *testing.T) {
				t.Parallel()
				repo := filepath.Join(cmdtest.Scratch(t), "repo")
				code := fmt.Sprintf("cfs-pull --init --insecure --algorithm fsverity-%s-12 --progress none %s %s t", hash, vectorPlatform, v.source())
				if hash == hashes[1] {
					code += " --strict" // makes no difference to what the reference takes
				}
				r := shell(t, repo, code)
				if r.Status != 0 || r.Stderr != "" {
					t.Fatalf("cfs-pull: status %d, %s", r.Status, r.Stderr)
				}
				if want := "\nimage " + v.Erofs["v1"][hash] + " variant=plain erofs-version=1\n"; strings.Count(r.Stdout, "\nimage ") != 1 || !strings.Contains(r.Stdout, want) {
					t.Errorf("cfs-pull printed\n%swant%s", r.Stdout, want)
				}
				if !strings.Contains(r.Stdout, "\nmanifest "+v.Manifest+" ") || !strings.Contains(r.Stdout, "\nconfig "+v.Config+" ") {
					t.Errorf("cfs-pull printed\n%swant manifest %s and config %s", r.Stdout, v.Manifest, v.Config)
				}
				v.checkDump(t, repo, hash)
				if hash == hashes[0] { // once is enough of what does not depend on it
					v.checkImages(t, repo, hash)
					v.checkLayers(t, repo)
					must(t, repo, "cfs-gc check --content")
				}
			})
		}
	}
}

// checkImages has the images of all formats, and of both xattr modes, made of what is
// stored.
func (v vector) checkImages(t *testing.T, repo, hash string) {
	t.Helper()
	for options, want := range map[string]digests{"": v.Erofs, "--xattrs keep-user-xattrs": v.KeepUserXattrs} {
		for format := range want {
			code := fmt.Sprintf("cfs-mkerofs --oci t --erofs-version %s %s", strings.TrimPrefix(format, "v"), options)
			if got := must(t, repo, code); got != want[format][hash]+"\n" {
				t.Errorf("%s: %s, want %s", code, strings.TrimSpace(got), want[format][hash])
			}
		}
	}
}

// checkDump compares the tree in the EROFS image with the one that the reference
// merged from the layers, and has the image made again of what is stored.
func (v vector) checkDump(t *testing.T, repo, hash string) {
	t.Helper()
	want, err := os.ReadFile(filepath.Join(v.dir, "expected."+hash+".dump"))
	if err != nil {
		t.Fatal(err)
	}
	if got := must(t, repo, "cfs-mkerofs --oci t"); got != v.Erofs["v1"][hash]+"\n" {
		t.Errorf("cfs-mkerofs --oci: %s", got)
	}
	if got := must(t, repo, "cfs-mkerofs dump t"); got != string(want) {
		t.Errorf("cfs-mkerofs dump (-want +got):\n%s", cmp.Diff(string(want), got))
	}
}

// checkLayers compares what layers hold.
func (v vector) checkLayers(t *testing.T, repo string) {
	t.Helper()
	for _, l := range v.Layers {
		tar := must(t, repo, "cfs-import cat "+l.DiffID)
		if got := digest.FromString(tar).String(); got != l.Reconstituted {
			t.Errorf("layer %s comes back as %s, want %s", l.DiffID, got, l.Reconstituted)
		}
		members := must(t, repo, "cfs-import ls "+l.DiffID)
		if n := strings.Count(members, "\n"); n != l.Entries {
			t.Errorf("layer %s has %d members, want %d", l.DiffID, n, l.Entries)
		}
	}
}

// TestVectorFormats: in repositories of other formats, too, all the vectors' images
// are what they are for the reference; here in one pipe, one after the other.
func TestVectorFormats(t *testing.T) {
	t.Parallel()
	list := asReference(readVectors(t, "layers/*", "images/*", "boot/*"))
	for _, formats := range []string{"0", "2,1"} {
		for _, hash := range hashes {
			t.Run(formats+"/"+hash, func(t *testing.T) {
				t.Parallel()
				repo := filepath.Join(cmdtest.Scratch(t), "repo")
				var fetch strings.Builder
				for _, v := range list {
					fmt.Fprintf(&fetch, "cfs-fetch %s %s\n", vectorPlatform, v.source())
				}
				out := must(t, repo, fmt.Sprintf("(%s) | cfs-import --init --insecure --algorithm fsverity-%s-12 --erofs-version %s --progress none | cfs-mkerofs | cfs-link", fetch.String(), hash, formats))
				images := imagesByManifest(out)
				for _, v := range list {
					for _, format := range strings.Split(formats, ",") {
						want := fmt.Sprintf("%s variant=plain erofs-version=%s", v.Erofs["v"+format][hash], format)
						if !strings.Contains(images[v.Manifest], want) {
							t.Errorf("%s: images\n%swant %s", v.name, images[v.Manifest], want)
						}
					}
				}
				must(t, repo, "cfs-gc check")
				if out := must(t, repo, "cfs-gc"); !strings.HasPrefix(out, "Objects: 0 removed") {
					t.Error(out)
				}
			})
		}
	}
}

// imagesByManifest sorts the image records of several images by the manifest that
// comes after them.
func imagesByManifest(records string) map[string]string {
	images := make(map[string]string)
	var last string
	for line := range strings.Lines(records) {
		field := strings.SplitN(line, " ", 3)
		switch field[0] {
		case "image":
			last += line
		case "manifest":
			images[field[1]], last = last, ""
		}
	}
	return images
}
