package layer_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"cfs/lib/blob"
	"cfs/lib/corrupt"
	"cfs/lib/dumpfile"
	"cfs/lib/layer"
	"cfs/lib/manifest"
	"cfs/lib/splitstream"
	"cfs/lib/tolerance"
	"cfs/lib/tree"
	"cfs/lib/verity"
)

const vectors = "../../../shared/vectors"

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

// store keeps objects in memory.
type store struct {
	sync.Mutex
	alg     verity.Algorithm
	objects map[verity.ID][]byte
}

func newStore(a verity.Algorithm) *store { return &store{alg: a, objects: map[verity.ID][]byte{}} }

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

func (s *store) open(id verity.ID) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(s.objects[id])), nil
}

// split returns the splitstream of a tar.
func (s *store) split(t testing.TB, tar io.Reader) ([]byte, error) {
	w, err := splitstream.NewWriter(s.alg, splitstream.Layer, func() (*os.File, error) { return os.CreateTemp(t.TempDir(), "") })
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := layer.Split(tar, w, layer.Each(s.put)); err != nil {
		return nil, err
	}
	var file bytes.Buffer
	err = w.Finish(&file)
	return file.Bytes(), err
}

// image is the layers of a layout, uncompressed, in their order.
func image(t *testing.T, dir string) (tars [][]byte, err error) {
	t.Helper()
	l, err := manifest.OpenLayout(filepath.Join(dir, "layout"))
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
	for _, d := range m.Layers {
		c, ok := manifest.LayerCompression(d.MediaType)
		if !ok {
			return nil, errors.New("media type of no layer: " + d.MediaType)
		}
		in, err := l.Open(d)
		if err != nil {
			t.Fatal(err)
		}
		z, err := blob.Decompress(in, c)
		if err != nil {
			return nil, err
		}
		tar, err := io.ReadAll(z)
		if err != nil {
			return nil, err
		}
		tars = append(tars, tar)
		z.Close()
		in.Close()
	}
	return tars, nil
}

// merge merges layers into a tree.
func (s *store) merge(t *testing.T, tars [][]byte, rules *tolerance.Rules) (*tree.Inode, error) {
	g := layer.Merger{Rules: rules}
	for i, tar := range tars {
		g.Layer = fmt.Sprint("layer ", i)
		if err := s.add(t, &g, tar); err != nil {
			return nil, err
		}
	}
	return g.Tree()
}

// add adds a layer.
func (s *store) add(t *testing.T, g *layer.Merger, tar []byte) error {
	t.Helper()
	file, err := s.split(t, bytes.NewReader(tar))
	if err != nil {
		return err
	}
	r, err := splitstream.NewReader(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	return g.Add(r)
}

// dump merges layers and returns the dumpfile of the tree.
func (s *store) dump(t *testing.T, tars [][]byte, strict bool) (string, error) {
	root, err := s.merge(t, tars, tolerance.Strict(strict))
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	if err := dumpfile.Write(&out, root); err != nil {
		return "", err
	}
	return out.String(), nil
}

// otherwise are images that runtimes show otherwise than the reference, by what is said of
// them: that strict rules refuse them is tested, and what they are without them in TestWhiteouts.
var otherwise = map[string]string{
	"05-whiteouts":     "opq/.wh..wh..opq", // and a bare whiteout later
	"e05-opaque-order": "usr/o/.wh..wh..opq",
}

// TestVectors: the tree of every image is the one that the reference made, and
// every layer comes back from its splitstream as it was.
func TestVectors(t *testing.T) {
	for _, dir := range append(cases(t, "layers/*"), append(cases(t, "images/*"), cases(t, "boot/*")...)...) {
		for _, a := range []verity.Algorithm{verity.SHA256, verity.SHA512} {
			want, err := os.ReadFile(filepath.Join(dir, "expected."+a.Name()+".dump"))
			if err != nil {
				continue // boot cases have one algorithm
			}
			t.Run(filepath.Base(dir)+"/"+a.Name(), func(t *testing.T) {
				tars, err := image(t, dir)
				if err != nil {
					t.Fatal(err)
				}
				s := newStore(a)
				for i, tar := range tars {
					s.checkJoin(t, i, tar)
				}
				if says, ok := otherwise[filepath.Base(dir)]; ok {
					if _, err := s.dump(t, tars, true); !errors.Is(err, tolerance.ErrRefused) || !strings.Contains(err.Error(), says) {
						t.Error(err)
					}
					return
				}
				for _, strict := range []bool{false, true} {
					if strict && filepath.Base(dir) == "12-trailers" {
						continue
					}
					got, err := s.dump(t, tars, strict)
					if err != nil {
						t.Fatal(err)
					}
					if got != string(want) {
						t.Errorf("strict %v: got\n%s\nwant\n%s", strict, got, want)
					}
				}
			})
		}
	}
}

func (s *store) checkJoin(t *testing.T, i int, tar []byte) {
	file, err := s.split(t, bytes.NewReader(tar))
	if err != nil {
		t.Fatal(err)
	}
	r, err := splitstream.NewReader(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var back bytes.Buffer
	if _, err := r.Join(&back, s.open); err != nil || !bytes.Equal(back.Bytes(), tar) || r.Size != uint64(len(tar)) {
		t.Errorf("layer %d: %d bytes came back of %d (header: %d), %v", i, back.Len(), len(tar), r.Size, err)
	}
}

// lenient names the error cases that we take without strict rules.
var lenient = map[string]bool{
	"device-base256": true, "docker-media-type": true, "empty-archive": true, "hardlink-through-symlink": true, "missing-parent": true,
	"no-usr": true, "single-zero-block": true, "parent-is-symlink": true, "pax-negative-mtime": true, "run-not-a-dir": true, "usr-not-a-dir": true,
	"whiteout-missing-parent": true,
	// Only the image cannot hold it:
	"whiteout-device-hardlinked": true,
	// How media types count with strict rules is decided when they are imported:
	"unknown-media-type": false,
}

// TestErrors: what the reference refuses is refused with strict rules, and without
// them if it is not listed as taken.
func TestErrors(t *testing.T) {
	for _, dir := range cases(t, "layers/errors/*") {
		name := filepath.Base(dir)
		tars, decompress := image(t, dir)
		for _, strict := range []bool{false, true} {
			if strict && (name == "docker-media-type" || name == "whiteout-device-hardlinked") {
				continue
			}
			err := decompress
			if err == nil {
				_, err = newStore(verity.SHA256).dump(t, tars, strict)
			}
			if (err == nil) != (lenient[name] && !strict) {
				t.Errorf("%s, strict %v: %v", name, strict, err)
			}
			if err != nil {
				t.Logf("%s, strict %v: %v", name, strict, err)
			}
			if strict && lenient[name] && !errors.Is(err, tolerance.ErrRefused) && !corrupt.Is(err) {
				t.Errorf("%s: not a strict rule's refusal: %v", name, err)
			}
		}
	}
}

// TestListed: no error case of the vectors' own list is left out.
func TestListed(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(vectors, "index.json"))
	if err != nil {
		t.Skip("SKIPPED: the reference's vectors are not here: ", err)
	}
	var index struct {
		Errors []struct{ Dir string } `json:"layer_errors"`
	}
	if err := json.Unmarshal(text, &index); err != nil {
		t.Fatal(err)
	}
	if have := cases(t, "layers/errors/*"); len(have) != len(index.Errors) {
		t.Errorf("%d error cases, the index lists %d", len(have), len(index.Errors))
	}
}
