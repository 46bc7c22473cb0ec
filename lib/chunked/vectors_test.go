package chunked

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/blob"
	"cfs/lib/corrupt"
	"cfs/lib/tarsplit"
)

const vectors = "../../../shared/vectors/incremental/"

// vector is an image of the vectors.
type vector struct {
	Blob   digest.Digest
	DiffID digest.Digest `json:"diff_id"`
	Form   string
	WithV1 string `json:"with_v1"`
	desc   v1.Descriptor
	data   []byte
}

func readVectors(t testing.TB) map[string]*vector {
	t.Helper()
	text, err := os.ReadFile(vectors + "expected.json")
	if err != nil {
		t.Skipf("SKIPPED: the vectors are not here: %v", err)
	}
	list := map[string]*vector{}
	readJSON(t, text, &list)
	index := v1.Index{}
	readJSON(t, read(t, "layout/index.json"), &index)
	for _, d := range index.Manifests {
		v := list[d.Annotations[v1.AnnotationRefName]]
		var m v1.Manifest
		readJSON(t, blobOf(t, d.Digest), &m)
		v.desc, v.data = m.Layers[0], blobOf(t, m.Layers[0].Digest)
	}
	return list
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(vectors + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func blobOf(t testing.TB, d digest.Digest) []byte {
	return read(t, "layout/blobs/sha256/"+d.Encoded())
}

func readJSON(t testing.TB, text []byte, to any) {
	t.Helper()
	if err := json.Unmarshal(text, to); err != nil {
		t.Fatal(err)
	}
}

// assemble puts the tar together, with all content from the blob.
func (v *vector) assemble() (tar []byte, err error) {
	l, err := Parse(v.desc)
	if err != nil {
		return nil, err
	}
	if f := l.Footer(); f.Len() > 0 {
		if err := l.ReadFooter(bytes.NewReader(v.data[f.Start:])); err != nil {
			return nil, err
		}
	}
	files, err := l.ReadTOC(bytes.NewReader(v.data[l.TOC.Start:]))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if l.IsStargz() {
		head := l.Gaps(files)[0]
		err = l.WalkStargz(bytes.NewReader(v.data[l.TOC.Start:]), bytes.NewReader(v.data[head.Start:head.End]), &out, func(n int) error {
			z, err := gzip.NewReader(bytes.NewReader(v.data[files[n].Start:files[n].End]))
			if err == nil {
				_, err = io.CopyN(&out, z, files[n].Size)
			}
			return err
		})
		return out.Bytes(), err
	}
	decode := func(s blob.Span, max int64) ([]byte, error) {
		decoder, err := zstd.NewReader(bytes.NewReader(v.data[s.Start:s.End]))
		if err != nil {
			return nil, err
		}
		defer decoder.Close()
		return io.ReadAll(io.LimitReader(decoder, max))
	}
	if !l.HasTarSplit() {
		for n, gap := range l.Gaps(files) {
			text, err := decode(gap, 1<<20)
			if err != nil {
				return nil, err
			}
			out.Write(text)
			if n < len(files) {
				content, err := decode(files[n].Span, files[n].Size+1)
				if err != nil {
					return nil, err
				}
				out.Write(content)
			}
		}
		return out.Bytes(), nil
	}
	err = l.ReadTarSplit(bytes.NewReader(v.data[l.TarSplit.Start:]), files, func(i tarsplit.Item, file int) error {
		out.Write(i.Bytes)
		if file < 0 {
			return nil
		}
		f := files[file]
		content, err := decode(f.Span, f.Size+1)
		if err == nil && (int64(len(content)) != f.Size || sha256.Sum256(content) != f.SHA256) {
			err = errors.New("the content is not what the table of contents says")
		}
		out.Write(content)
		return err
	})
	return out.Bytes(), err
}

// TestVectors: what real writers made is put together to the tar; and of what is forged, either an
// error tells, or the diff ID does.
func TestVectors(t *testing.T) {
	for name, v := range readVectors(t) {
		t.Run(name, func(t *testing.T) {
			tar, err := v.assemble()
			right := digest.FromBytes(tar) == v.DiffID
			switch {
			case v.Form == "stargz" && !strings.Contains(name, "zstd") && !strings.Contains(name, "lossless") && !strings.Contains(name, "minchunk"):
				if err != nil || !right {
					t.Errorf("%v, diff ID right: %t", err, right)
				}
			case strings.HasPrefix(name, "estargz-"): // others can be put together, or not
				t.Logf("%v, diff ID right: %t", err, right)
			case v.Form == "plain" || v.Form == "stargz":
				if !errors.Is(err, ErrForm) {
					t.Errorf("%v", err)
				}
			case name == "skopeo-padded": // whose diff ID is of another tar
				if err != nil || right {
					t.Errorf("%v, diff ID right: %t", err, right)
				}
			case !strings.HasPrefix(name, "hostile-"):
				if err != nil || !right {
					t.Errorf("%v, diff ID right: %t", err, right)
				}
			case err == nil && right && v.WithV1 == "full":
				t.Error("it is put together")
			}
		})
	}
}

func TestParse(t *testing.T) {
	sum := "sha256:" + strings.Repeat("a", 64)
	good := map[string]string{
		manifestPosition: "1008:100:500:1", manifestChecksum: sum, tarSplitPosition: "1116:50:90", tarSplitChecksum: sum,
	}
	parse := func(change map[string]string) error {
		d := v1.Descriptor{Size: 1200, Annotations: map[string]string{}}
		for _, m := range []map[string]string{good, change} {
			for k, v := range m {
				d.Annotations[prefix+k] = v
			}
		}
		_, err := Parse(d)
		return err
	}
	if err := parse(nil); err != nil {
		t.Fatal(err)
	}
	for key, values := range map[string][]string{
		manifestPosition: {"1008:100:500:2", "1008:100:500", "+1008:100:500:1", "01008:100:500:1", "1008:100:-1:1", "7:100:500:1", "1200:1:1:1", "1008:0:1:1", "1008:100:0:1",
			"1150:51:1:1", "9223372036854775807:1:1:1", "1:9223372036854775807:1:1", "99999999999999999999:1:1:1", "1008:100:400000000:1", "1020:100:500:1", " 1008:100:500:1"},
		manifestChecksum: {"", "sha256:a", "sha512:" + strings.Repeat("a", 128)},
		tarSplitPosition: {"1116:50:90:1", "1:1:1", "1116:1000:90"},
		tarSplitChecksum: {"x"},
	} {
		for _, value := range values {
			if err := parse(map[string]string{key: value}); err == nil {
				t.Errorf("%s %q is taken", key, value)
			}
		}
	}
}

// compress returns data as one zstd frame.
func compress(t testing.TB, data string) []byte {
	t.Helper()
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return e.EncodeAll([]byte(data), nil)
}

// readText reads a TOC of a blob of 1000 bytes.
func readText(t testing.TB, text string) ([]File, error) {
	t.Helper()
	frame := compress(t, text)
	l := &Layer{size: 1 << 20, TOC: Table{Plain: int64(len(text)), Digest: digest.FromBytes(frame)}}
	l.TOC.Start, l.TOC.End = 1008, 1008+int64(len(frame))
	return l.ReadTOC(bytes.NewReader(frame))
}

const someFile = `{"type":"reg","name":"a","size":5,"digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","offset":10,"endOffset":20}`

func tocOf(entries string) string {
	return `{"version":1,"unknown":{"a":[1]},"entries":[` + entries + `],"tarSplitDigest":"sha256:` + strings.Repeat("b", 64) + `"}`
}

func TestTOC(t *testing.T) {
	files, err := readText(t, tocOf(`{"type":"dir","name":"d/"},`+someFile+`,{"type":"chunk","offset":15}`))
	if err != nil || len(files) != 1 || files[0].Size != 5 || files[0].Start != 10 || files[0].End != 20 || files[0].Name != "a" {
		t.Errorf("%+v, %v", files, err)
	}
	change := func(old, new string) string { return tocOf(strings.Replace(someFile, old, new, 1)) }
	for name, text := range map[string]string{
		"nothing": " ", "no object": "[1]", "cut": tocOf(someFile)[:60], "more": tocOf("") + "{}", "version": strings.Replace(tocOf(""), "1", "2", 1),
		"negative size": change(":5", ":-5"), "no number": change(":5", `:"5"`), "fraction": change(":5", ":5.5"), "huge": change(":5", ":99999999999999999999"),
		"offset 0": change(":10", ":0"), "no end": change(`,"endOffset":20`, ""), "backwards": change(":20", ":9"), "in the table": change(":20", ":1001"),
		"overlap": tocOf(someFile + "," + someFile), "digest": change("sha256:a", "sha256:"), "other digest": change("sha256:", "sha512:"),
		"long name": change(`"a"`, `"`+strings.Repeat("a", maxName+1)+`"`), "no entries": `{"version":1,"entries":{}}`,
		"large value": `{"version":1,"x":"` + strings.Repeat("a", maxEntry) + `"}`, "deep": `{"version":1,"x":` + strings.Repeat("[", 20000),
	} {
		if files, err := readText(t, text); !corrupt.Is(err) {
			t.Errorf("%s: %+v, %v", name, files, err)
		}
	}
}

// TestReadError: an error of the reader is not taken for one of the data.
func TestReadError(t *testing.T) {
	text := tocOf(someFile)
	frame := compress(t, text)
	l := &Layer{size: 1 << 20, TOC: Table{Plain: int64(len(text)), Digest: digest.FromBytes(frame)}}
	l.TOC.Start, l.TOC.End = 1008, 1008+int64(len(frame))
	for n := range frame {
		_, err := l.ReadTOC(io.MultiReader(bytes.NewReader(frame[:n]), failing{}))
		if corrupt.Is(err) || !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("after %d bytes: %v", n, err)
		}
		if _, err := l.ReadTOC(bytes.NewReader(frame[:n])); !corrupt.Is(err) {
			t.Errorf("cut after %d bytes: %v", n, err)
		}
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

func FuzzTOC(f *testing.F) {
	f.Add(tocOf(someFile))
	f.Add(tocOf(""))
	f.Add(`{"version":1,"entries":[{"type":"reg","size":-1}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		files, err := readText(t, text)
		if err != nil && !corrupt.Is(err) {
			t.Errorf("not marked as corrupt: %v", err)
		}
		after := int64(0)
		for _, file := range files {
			if file.Start <= after || file.End <= file.Start || file.End > 1000 || file.Size <= 0 {
				t.Errorf("file %+v behind %d", file, after)
			}
			after = file.End - 1
		}
	})
}

// stargzOf returns the compressed TOC of an eStargz layer with a text.
func stargzOf(t testing.TB, text string) ([]byte, *Layer) {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	err := w.WriteHeader(&tar.Header{Name: stargzTOC, Typeflag: tar.TypeReg, Size: int64(len(text))})
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	if err := errors.Join(err, w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	l := &Layer{size: 1 << 20, stargz: digest.FromString(text)}
	l.TOC.Start, l.TOC.End = 1000, 1000+int64(b.Len())
	return b.Bytes(), l
}

func FuzzStargz(f *testing.F) {
	f.Add(`{"version":1,"entries":[{"name":"d/","type":"dir","mode":493},{"name":"a","type":"reg","size":5,"offset":10,"digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","xattrs":{"user.x":"YQ=="}}]}`)
	f.Add(`{"version":1,"entries":[{"name":"a","type":"reg","size":5,"offset":10,"chunkSize":4},{"name":"a","type":"chunk","offset":15}]}`)
	f.Add(`{"version":1,"entries":[{"name":"","type":"symlink","linkName":"x","uid":-1}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		toc, l := stargzOf(t, text)
		files, err := l.ReadTOC(bytes.NewReader(toc))
		if err != nil {
			if !corrupt.Is(err) {
				t.Errorf("not marked as corrupt: %v", err)
			}
			return
		}
		after := int64(0)
		for _, file := range files {
			if file.Start <= after || file.End <= file.Start || file.End > 1000 || file.Size <= 0 {
				t.Errorf("file %+v behind %d", file, after)
			}
			after = file.End - 1
		}
		n := 0
		head, _ := stargzOf(t, "")
		err = l.WalkStargz(bytes.NewReader(toc), bytes.NewReader(head), io.Discard, func(file int) error {
			if file != n || file >= len(files) {
				t.Errorf("content %d of %d comes after %d", file, len(files), n)
			}
			n++
			return nil
		})
		if err != nil && !corrupt.Is(err) {
			t.Errorf("not marked as corrupt: %v", err)
		}
	})
}

func TestFooter(t *testing.T) {
	good := []byte("\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\xff\x1a\x00SG\x16\x0000000000000000c8STARGZ\x01\x00\x00\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00")
	l := &Layer{size: 1000, stargz: digest.FromString("")}
	if err := l.ReadFooter(bytes.NewReader(good)); err != nil || l.TOC.Start != 200 || l.TOC.End != 1000-stargzFooter {
		t.Errorf("%+v, %v", l.TOC, err)
	}
	for name, change := range map[string]string{"magic": "STARGX", "external": "STARGZEXTERNALTOC", "behind": "00000000000003ff", "negative": "-000000000000001", "zero": "0000000000000000", "no number": "000000000000zzzz"} {
		bad := bytes.Clone(good)
		copy(bad[map[bool]int{true: 32, false: 16}[change[0] == 'S']:], change)
		l := &Layer{size: 1000, stargz: digest.FromString("")}
		if err := l.ReadFooter(bytes.NewReader(bad)); name != "external" && !corrupt.Is(err) {
			t.Errorf("%s: %+v, %v", name, l.TOC, err)
		}
	}
}
