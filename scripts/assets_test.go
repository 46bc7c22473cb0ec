package scripts

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cfs/cmd/cmdtest"
)

const vectors = "../../shared/vectors/erofs"

// asset is a dumpfile of the test suite of the C project, with the sha256 of the image
// that it publishes and the version that it asks for, "0", "1" or that by default.
type asset struct {
	Sum     string `json:"asset_sha256sum"`
	Version string `json:"asset_version"`
}

func readAssets(t *testing.T) map[string]asset {
	text, err := os.ReadFile(filepath.Join(vectors, "vectors.json"))
	if err != nil {
		t.Skipf("NOT TESTED: the vectors are not there: %v", err)
	}
	var file struct{ Dumps map[string]asset }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	assets := make(map[string]asset)
	for name, a := range file.Dumps {
		if strings.HasPrefix(name, "assets/") && a.Sum != "" {
			assets[name] = a
		}
	}
	if len(assets) < 14 {
		t.Fatalf("only %d assets", len(assets))
	}
	return assets
}

// unpack writes an asset into dir as in.dump. Two of them have one dumpfile.
func unpack(t *testing.T, name, dir string) {
	t.Helper()
	if name == "assets/special_v1.dump" {
		name = "assets/special.dump"
	}
	data, err := os.ReadFile(filepath.Join(vectors, name))
	if err == nil && strings.HasSuffix(name, ".gz") {
		var z *gzip.Reader
		if z, err = gzip.NewReader(bytes.NewReader(data)); err == nil {
			data, err = io.ReadAll(z)
		}
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "in.dump"), data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestAssets makes the images that the C project publishes, and makes them again from
// what the scripts read in them.
func TestAssets(t *testing.T) {
	t.Parallel()
	for name, a := range readAssets(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			if strings.Contains(name, "developer") { // a whole system
				cmdtest.Slow(t)
			}
			dir := t.TempDir()
			unpack(t, name, dir)
			version := ""
			if a.Version == "0" || a.Version == "1" {
				version = " --min-version=" + a.Version + " --max-version=" + a.Version
			}
			must(t, dir, "mkcomposefs --from-file"+version+" - image <in.dump")
			if got := must(t, dir, "sha256sum <image"); !strings.HasPrefix(got, a.Sum) {
				t.Fatalf("the image has the sum %s, not %s", got, a.Sum)
			}
			must(t, dir, "composefs-dump image again && cmp image again")
			must(t, dir, "composefs-info dump image | mkcomposefs --from-file"+version+" - again && cmp image again")
			digest := must(t, dir, "mkcomposefs --from-file --print-digest-only"+version+" in.dump")
			if got := must(t, dir, "composefs-info measure-file image"); got != digest {
				t.Errorf("the digest is %s, of the file %s", digest, got)
			}
		})
	}
}

// TestRefused checks that what the C project refuses is refused, and leaves no image.
func TestRefused(t *testing.T) {
	t.Parallel()
	list, err := filepath.Glob(filepath.Join(vectors, "assets", "should-fail-*"))
	if err != nil || len(list) < 14 {
		t.Skipf("NOT TESTED: the vectors are not there: %d files", len(list))
	}
	for _, name := range list {
		dir := t.TempDir()
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "in.dump"), data, 0o644); err != nil {
			t.Fatal(err)
		}
		r := cmdtest.Shell(t, dir, "mkcomposefs --from-file in.dump image")
		if r.Status != 1 || r.Stdout != "" || r.Stderr == "" {
			t.Errorf("%s: exit status %d, %q, %q", name, r.Status, r.Stdout, r.Stderr)
		}
		if _, err := os.Stat(filepath.Join(dir, "image")); err == nil {
			t.Errorf("%s: there is an image", name)
		}
	}
}

// TestLikeC compares what is shown of the assets with what the tools of the C project
// show, where they are installed.
func TestLikeC(t *testing.T) {
	t.Parallel()
	const theirs = "/usr/bin/composefs-info"
	if _, err := os.Stat(theirs); err != nil {
		t.Skipf("NOT TESTED: there is no composefs-info of the C project: %v", err)
	}
	for name := range readAssets(t) {
		dir := t.TempDir()
		unpack(t, name, dir)
		must(t, dir, "mkcomposefs --from-file in.dump image")
		for _, command := range []string{"dump", "ls", "objects", "--basedir=. missing-objects"} {
			want := must(t, dir, theirs+" "+command+" image")
			if got := must(t, dir, "composefs-info "+command+" image"); got != want {
				t.Errorf("%s: %s differs", name, command)
			}
		}
	}
}
