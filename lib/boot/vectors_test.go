package boot_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cfs/lib/blob"
	"cfs/lib/boot"
	"cfs/lib/dumpfile"
	"cfs/lib/erofs"
	"cfs/lib/layer"
	"cfs/lib/manifest"
	"cfs/lib/splitstream"
	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

const vectors = "../../../shared/vectors"

// expected is what the reference made of a case: digests by format and hash, or an
// error.
type expected struct {
	Boot map[string]json.RawMessage
}

// cases lists the directories of vectors that have a layout.
func cases(t *testing.T, pattern string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(vectors, pattern, "layout"))
	if err != nil || len(list) == 0 {
		t.Skip("SKIPPED: the reference's vectors are not here: ", vectors)
	}
	for i := range list {
		list[i] = filepath.Dir(list[i])
	}
	return list
}

func readExpected(t *testing.T, dir string) expected {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var e expected
	if err := json.Unmarshal(text, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// store keeps objects in memory.
type store struct {
	sync.Mutex
	alg     verity.Algorithm
	objects map[verity.ID][]byte
}

func (s *store) put(in io.Reader, size int64) (verity.ID, error) {
	data := make([]byte, size)
	if _, err := io.ReadFull(in, data); err != nil {
		return verity.ID{}, err
	}
	id := s.alg.Sum(data)
	s.Lock()
	defer s.Unlock()
	s.objects[id] = data
	return id, nil
}

func (s *store) content(n *tree.Inode) (io.ReadCloser, error) {
	if n.Object.IsZero() {
		return io.NopCloser(strings.NewReader(n.Inline)), nil
	}
	return io.NopCloser(bytes.NewReader(s.objects[n.Object])), nil
}

// readTree merges the layers of a layout.
func readTree(t *testing.T, dir string, a verity.Algorithm) (*tree.Inode, *store) {
	t.Helper()
	s := &store{alg: a, objects: map[verity.ID][]byte{}}
	root, err := s.merge(t, filepath.Join(dir, "layout"))
	if err != nil {
		t.Fatal(err)
	}
	return root, s
}

func (s *store) merge(t *testing.T, layout string) (*tree.Inode, error) {
	l, err := manifest.OpenLayout(layout)
	if err != nil {
		return nil, err
	}
	d, err := l.Resolve("", nil, false)
	if err != nil {
		return nil, err
	}
	text, err := l.ReadAll(d)
	if err != nil {
		return nil, err
	}
	m, err := manifest.Parse(text)
	if err != nil {
		return nil, err
	}
	var g layer.Merger
	for _, d := range m.Layers {
		c, _ := manifest.LayerCompression(d.MediaType)
		in, err := l.Open(d)
		if err != nil {
			return nil, err
		}
		tar, err := blob.Decompress(in, c)
		if err != nil {
			return nil, err
		}
		if err := s.add(t, &g, tar); err != nil {
			return nil, err
		}
		tar.Close()
		in.Close()
	}
	return g.Tree()
}

func (s *store) add(t *testing.T, g *layer.Merger, tar io.Reader) error {
	w, err := splitstream.NewWriter(s.alg, splitstream.Layer, func() (*os.File, error) { return os.CreateTemp(t.TempDir(), "") })
	if err != nil {
		return err
	}
	defer w.Close()
	if err := layer.Split(tar, w, layer.Each(s.put)); err != nil {
		return err
	}
	var file bytes.Buffer
	if err := w.Finish(&file); err != nil {
		return err
	}
	r, err := splitstream.NewReader(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		return err
	}
	defer r.Close()
	return g.Add(r)
}

// TestVectors: the boot variant of every image is the one that the reference made, in
// all formats.
func TestVectors(t *testing.T) {
	for _, dir := range append(cases(t, "boot/*"), cases(t, "images/bootable-*")...) {
		for _, a := range []verity.Algorithm{verity.SHA256, verity.SHA512} {
			t.Run(filepath.Base(dir)+"/"+a.Name(), func(t *testing.T) {
				root, s := readTree(t, dir, a)
				if err := boot.Transform(root, s.content); err != nil {
					t.Fatal(err)
				}
				checkDump(t, root, filepath.Join(dir, "expected-boot."+a.Name()+".dump"))
				e := readExpected(t, dir)
				for version := range variant.Format(3) {
					var want map[string]string
					if err := json.Unmarshal(e.Boot[fmt.Sprintf("v%d", version)], &want); err != nil {
						t.Fatal(err)
					}
					hash := a.New()
					if err := erofs.WriteUnsignedTimes(hash, root, version); err != nil {
						t.Fatal(err)
					}
					if got := hash.ID().String(); got != want[a.Name()] {
						t.Errorf("format %d: %s, want %s", version, got, want[a.Name()])
					}
				}
			})
		}
	}
}

// checkDump compares a tree with a dumpfile, if there is one for the algorithm.
func checkDump(t *testing.T, root *tree.Inode, file string) {
	t.Helper()
	want, err := os.ReadFile(file)
	if err != nil {
		return
	}
	var got bytes.Buffer
	if err := dumpfile.Write(&got, root); err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("(-want +got):\n%s", cmp.Diff(string(want), got.String()))
	}
}

// whatItSays is what the message of each case must name.
var whatItSays = map[string]string{
	"bad-regex": `file_contexts line 1: pattern "/x("`, "bad-type": `file_contexts line 1: unknown file type "-z"`, "boot-not-dir": "/boot is not a directory",
	"comment-at-end": `file_contexts line 1: "#" after the context`, "config-symlink": "/etc/selinux/config is not a regular file",
	"missing-context": "file_contexts line 1: no context", "no-boot": "/boot is missing", "no-file-contexts": "targeted/contexts/files/file_contexts is missing",
	"no-sysroot": "/sysroot is missing", "policy-missing": "/etc/selinux/mls is missing", "quoted-type": `/etc/selinux/"targeted" is missing`,
	"selinux-not-dir": "/etc/selinux is not a directory", "subs-extra": `file_contexts.subs line 1: "/c" after`, "subs-missing": "file_contexts.subs line 1: no path",
	"trailing": `file_contexts line 1: "extra" after the context`,
}

// ofEntries are the error cases whose error is one of the boot entries.
var ofEntries = map[string]bool{"bls-dir-entry": true, "bls-missing-file": true, "efi-symlink": true}

// TestErrors: what the reference refuses is refused, with a message that says what.
func TestErrors(t *testing.T) {
	list := cases(t, "boot/errors/*")
	if len(list) != len(whatItSays)+len(ofEntries) {
		t.Errorf("%d error cases, want %d", len(list), len(whatItSays)+len(ofEntries))
	}
	for _, dir := range list {
		name := filepath.Base(dir)
		if ofEntries[name] {
			continue
		}
		root, s := readTree(t, dir, verity.SHA256)
		err := boot.Transform(root, s.content)
		if err == nil || !strings.Contains(err.Error(), whatItSays[name]) {
			t.Errorf("%s: %v, want %s", name, err, whatItSays[name])
		}
	}
}
