package scan_test

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"cfs/lib/blob"
	"cfs/lib/dumpfile"
	"cfs/lib/erofs"
	"cfs/lib/layer"
	"cfs/lib/manifest"
	"cfs/lib/scan"
	"cfs/lib/splitstream"
	"cfs/lib/tolerance"
	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

const vectors = "../../../shared/vectors"

// objects returns what the layers of a layout hold outside of their metadata, nil if
// they cannot be read.
func objects(t *testing.T, layout string) map[verity.ID][]byte {
	t.Helper()
	l, err := manifest.OpenLayout(layout)
	if err != nil {
		t.Fatal(err)
	}
	d, err := l.Resolve("", nil, false)
	if err != nil {
		t.Fatal(err)
	}
	text, err := l.ReadAll(d)
	if err != nil {
		t.Fatal(err)
	}
	m, err := manifest.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[verity.ID][]byte)
	var mu sync.Mutex
	put := func(in io.Reader, size int64) (verity.ID, error) {
		data := make([]byte, size)
		_, err := io.ReadFull(in, data)
		id := verity.SHA256.Sum(data)
		mu.Lock()
		defer mu.Unlock()
		found[id] = data
		return id, err
	}
	for _, d := range m.Layers {
		in, err := l.Open(d)
		if err != nil {
			t.Fatal(err)
		}
		c, _ := manifest.LayerCompression(d.MediaType)
		z, err := blob.Decompress(in, c)
		if err != nil {
			t.Fatal(err)
		}
		w, err := splitstream.NewWriter(verity.SHA256, splitstream.Layer, func() (*os.File, error) { return os.CreateTemp(t.TempDir(), "") })
		if err != nil {
			t.Fatal(err)
		}
		if err := layer.Split(z, w, layer.Each(put)); err != nil {
			t.Fatal(err)
		}
		w.Close()
		z.Close()
		in.Close()
	}
	return found
}

// possible returns why no file system of Linux can hold a tree, "" if one can.
func possible(root *tree.Inode) string {
	for path, n := range tree.Walk(root) {
		switch {
		case n.IsSymlink() && n.Target == "":
			return path + " is a symbolic link without a target"
		case n.IsSymlink() && n.Mode&0o7777 != 0o777:
			return path + " is a symbolic link with a mode of its own"
		case n.UID == ^uint32(0) || n.GID == ^uint32(0):
			return path + " has the owner -1"
		case n.Mtime.Sec > 1<<60 || n.Mtime.Sec < -1<<60:
			return path + " has a time that clocks do not show"
		}
		for _, x := range n.Xattrs {
			if len(x.Name) > 255 || len(x.Value) > unix.PathMax<<4 {
				return path + " has xattrs that are too long"
			}
		}
	}
	return ""
}

// TestVectors: a container image that lies extracted on disk has the digest that it
// has otherwise.
func TestVectors(t *testing.T) {
	cases, err := filepath.Glob(filepath.Join(vectors, "layers/*/expected.sha256.dump"))
	if err != nil || len(cases) == 0 {
		t.Skip("SKIPPED: the reference's vectors are not here: ", vectors)
	}
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: only root can extract the images")
	}
	done := 0
	for _, name := range cases {
		dir := filepath.Dir(name)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			root, err := dumpfile.Read(bytes.NewReader(text), dumpfile.Options{})
			if err != nil {
				t.Skip("SKIPPED: a tree that no dumpfile can hold: ", err)
			}
			if why := possible(root); why != "" {
				t.Skip("SKIPPED: a tree that no disk can hold: ", why)
			}
			found := objects(t, dir+"/layout")
			disk := scratch(t) + "/root"
			if err := makeTree(disk, root, func(id verity.ID) []byte { return found[id] }); err != nil {
				t.Fatal(err)
			}
			checkDigests(t, disk, dir+"/expected.json", string(text))
			done++
		})
	}
	if done < 25 {
		t.Errorf("only %d of %d images could be extracted", done, len(cases))
	}
}

// checkDigests compares the images of an extracted container image with the ones that
// the reference made of its layers.
func checkDigests(t *testing.T, disk, expected, wantDump string) {
	text, err := os.ReadFile(expected)
	if err != nil {
		t.Fatal(err)
	}
	var want struct{ EROFS map[string]map[string]string }
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	for _, a := range []verity.Algorithm{verity.SHA256, verity.SHA512} {
		root := mustScan(t, disk, scan.Options{Put: scan.Sum(a), Xattr: variant.AllowlistOnly.Keeps})
		if root, err = tree.Canonicalize(root, false, tolerance.Strict(true)); err != nil {
			t.Fatal(err)
		}
		if got := dump(t, root); a == verity.SHA256 && got != wantDump {
			t.Error(cmp.Diff(wantDump, got))
		}
		for _, v := range []variant.Format{variant.V0, variant.V1, variant.V2} {
			hash := a.New()
			if err := erofs.WriteUnsignedTimes(hash, root, v); err != nil {
				t.Fatal(err)
			}
			key := "v" + string('0'+byte(v))
			if want := want.EROFS[key][a.Name()]; hash.ID().String() != want {
				t.Errorf("%s %s: %s, want %s", a.Name(), key, hash.ID(), want)
			}
		}
	}
}
