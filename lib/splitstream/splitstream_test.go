package splitstream

import (
	"archive/tar"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"

	"cfs/lib/corrupt"
	"cfs/lib/verity"
)

const vectors = "../../../shared/vectors/repo-small"

// decoded is how the vectors tell a splitstream, by an independent decoder.
type decoded struct {
	OldHeader   bool                        `json:"old_header"`
	ContentType string                      `json:"content_type_ascii"`
	StreamSize  uint64                      `json:"stream_size"`
	StreamRefs  []string                    `json:"stream_refs"`
	ObjectRefs  []string                    `json:"object_refs"`
	NamedRefs   []struct{ Name, ID string } `json:"named_refs"`
	Chunks      []struct {
		External *int
		Inline   uint64
		ID       string
	}
}

// TestVectors reads every stream of the reference's repository, and makes each
// again from what was read: the tables and the plain stream must be the same.
func TestVectors(t *testing.T) {
	objects := repository(t)
	files, _ := filepath.Glob(vectors + "/decoded-first-pull/*.json")
	if len(files) == 0 {
		t.Fatal("no decoded streams")
	}
	read := 0
	for _, data := range objects {
		r, err := NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			continue // another kind of object
		}
		read++
		again := rewrite(t, r, data)
		if !bytes.Equal(tables(t, data), tables(t, again)) {
			t.Errorf("%s stream written again differs", r.ContentType)
		}
	}
	if read != len(files) {
		t.Errorf("read %d streams, the vectors decode %d", read, len(files))
	}
	for _, file := range files {
		var want decoded
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		if !hasStream(t, objects, want) {
			t.Errorf("%s: no stream of the repository is decoded so", file)
		}
	}
}

// repository returns the objects of the reference's repository.
func repository(t *testing.T) map[string][]byte {
	f, err := os.Open(vectors + "/repo-first-pull.tar")
	if err != nil {
		t.Skipf("SKIPPED: the reference's vectors are not here: %v", err)
	}
	defer f.Close()
	objects := make(map[string][]byte)
	for tr := tar.NewReader(f); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return objects
		}
		if err != nil {
			t.Fatal(err)
		}
		if id, ok := verity.ParseObjectPath(h.Name); ok {
			if objects[id.String()], err = io.ReadAll(tr); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func hasStream(t *testing.T, objects map[string][]byte, want decoded) bool {
	for _, data := range objects {
		r, err := NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil || r.ContentType.String() != want.ContentType || r.Size != want.StreamSize || len(r.Objects) != len(want.ObjectRefs) || len(r.Refs) != len(want.NamedRefs) {
			continue
		}
		same := true
		for i, id := range r.Objects {
			same = same && id.String() == want.ObjectRefs[i]
		}
		for i, ref := range r.Refs {
			same = same && ref.Name == want.NamedRefs[i].Name && ref.ID.String() == want.NamedRefs[i].ID
		}
		for _, c := range want.Chunks {
			id, n, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			same = same && n == c.Inline && id.String() == c.ID
		}
		if _, _, err := r.Next(); same && err == io.EOF {
			return true
		}
	}
	return false
}

// rewrite makes the stream of data again, in the order of its own tables.
func rewrite(t *testing.T, r *Reader, data []byte) []byte {
	t.Helper()
	w := newWriter(t, r.Algorithm, r.ContentType)
	for i := range r.Refs { // in index order: names are sorted, targets are not
		for _, ref := range r.Refs {
			if target(t, data, i, r.Algorithm) == ref.ID {
				w.AddRef(ref.Name, ref.ID)
			}
		}
	}
	for {
		id, _, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !id.IsZero() {
			if err := w.WriteObject(id, 0); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if _, err := io.Copy(w, struct{ io.Reader }{r}); err != nil {
			t.Fatal(err)
		}
	}
	w.size = r.Size // the sizes of the objects are not known here
	var out bytes.Buffer
	if err := w.Finish(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func target(t *testing.T, data []byte, i int, a verity.Algorithm) verity.ID {
	at := headerSize + infoSize + i*a.Size()
	return a.MakeID(data[at : at+a.Size()])
}

// tables returns what of a stream must be equal between writers: all but the
// offsets and the compression.
func tables(t *testing.T, data []byte) []byte {
	t.Helper()
	r, err := NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	out := append([]byte(nil), data[:offInfo]...)
	out = append(out, data[headerSize+offContentType:headerSize+infoSize]...)
	refs := headerSize + infoSize + (len(r.Refs)+len(r.Objects))*r.Algorithm.Size()
	out = append(out, data[headerSize+infoSize:refs]...)
	_, decoder, err := newDecoder(r.stream)
	if err != nil {
		t.Fatal(err)
	}
	defer decoder.Close()
	plain, err := io.ReadAll(decoder)
	if err != nil {
		t.Fatal(err)
	}
	return append(out, plain...)
}

func newWriter(t testing.TB, a verity.Algorithm, typ ContentType) *Writer {
	w, err := NewWriter(a, typ, func() (*os.File, error) { return os.CreateTemp(t.TempDir(), "") })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func TestOldHeader(t *testing.T) {
	for _, name := range []string{"old-header", "plain"} {
		data, err := os.ReadFile(vectors + "/extra/" + name + ".splitstream")
		if err != nil {
			t.Skipf("SKIPPED: the reference's vectors are not here: %v", err)
		}
		r, err := NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if _, err := r.Join(&got, nil); err != nil || got.String() != "hello\n" {
			t.Errorf("%s: got %q, %v", name, got.String(), err)
		}
		if r.OldHeader != (name == "old-header") {
			t.Errorf("%s: OldHeader is %v", name, r.OldHeader)
		}
	}
}

// TestRoundTrip: what was written is read, also what does not fit into memory.
func TestRoundTrip(t *testing.T) {
	for _, a := range []verity.Algorithm{verity.SHA256, verity.SHA512} {
		object := []byte("an object's content")
		id, other := a.Sum(object), a.Sum([]byte("other"))
		var want bytes.Buffer
		w := newWriter(t, a, Layer)
		literal := func(p []byte) { w.Write(p); want.Write(p) }
		external := func() { w.WriteObject(id, uint64(len(object))); want.Write(object) }

		literal([]byte("head"))
		external()
		external()
		big := make([]byte, 3*overflowMemory+17)
		for i := range big {
			big[i] = byte(i * i >> 7)
		}
		literal(big[:100])
		literal(big[100:])
		external()
		literal([]byte("tail"))
		w.AddRef("b:c", other)
		w.AddRef("a", id)
		w.AddRef("z", other)

		var file bytes.Buffer
		if err := w.Finish(&file); err != nil {
			t.Fatal(err)
		}
		r, err := NewReader(bytes.NewReader(file.Bytes()), int64(file.Len()))
		if err != nil {
			t.Fatal(err)
		}
		if want := []Ref{{"a", id}, {"b:c", other}, {"z", other}}; !slices.Equal(r.Refs, want) {
			t.Errorf("refs %v, want %v", r.Refs, want)
		}
		var got bytes.Buffer
		open := func(verity.ID) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(object)), nil }
		if _, err := r.Join(&got, open); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Errorf("%s: %d bytes came back, want %d", a, got.Len(), want.Len())
		}
	}
}

func TestRefuse(t *testing.T) {
	w := newWriter(t, verity.SHA256, Blob)
	w.AddRef("name", verity.SHA256.Sum(nil))
	w.WriteObject(verity.SHA256.Sum(nil), 0)
	w.Write([]byte("literal"))
	var file bytes.Buffer
	if err := w.Finish(&file); err != nil {
		t.Fatal(err)
	}
	good := file.Bytes()
	for n := range len(good) { // cut anywhere
		if err := readAll(good[:n]); err == nil || !corrupt.Is(err) {
			t.Errorf("cut at %d: %v", n, err)
		}
	}
	for name, text := range map[string]string{
		"no colon": "0name\x00", "no end": "0:name", "index": "1:name\x00", "huge index": "99999999999999999999:name\x00",
		"no index": ":name\x00", "twice": "0:a\x000:a\x00", "not UTF-8": "0:\xff\x00", "negative": "-1:a\x00",
	} {
		if err := readAll(withNames(t, good, text)); err == nil || !corrupt.Is(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, chunk := range map[string]string{"object": "0100000000000000", "cut literal": "feffffffffffffff00", "minimum": "0000000000000080", "half": "00000000"} {
		raw, _ := hex.DecodeString(chunk)
		if err := readAll(withStream(t, good, raw)); err == nil || !corrupt.Is(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// withNames and withStream put another section at the end of a good file.
func withNames(t *testing.T, good []byte, text string) []byte {
	return withSection(t, good, offNamedRefs, []byte(text))
}

func withStream(t *testing.T, good, chunks []byte) []byte {
	return withSection(t, good, offStream, chunks)
}

func withSection(t *testing.T, good []byte, off int, plain []byte) []byte {
	var section bytes.Buffer
	enc, err := newEncoder(&section, zstd.SpeedDefault)
	if err != nil {
		t.Fatal(err)
	}
	enc.Write(plain)
	enc.Close()
	data := append([]byte(nil), good...)
	bounds := []uint64{uint64(len(good)), uint64(len(good) + section.Len())}
	for i, b := range bounds {
		for j := range 8 {
			data[headerSize+off+8*i+j] = byte(b >> (8 * j))
		}
	}
	return append(data, section.Bytes()...)
}

func readAll(data []byte) error {
	r, err := NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		if _, _, err := r.Next(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func FuzzReader(f *testing.F) {
	w := newWriter(f, verity.SHA256, Layer)
	w.AddRef("name", verity.SHA256.Sum(nil))
	w.Write([]byte("literal"))
	w.WriteObject(verity.SHA256.Sum(nil), 0)
	var file bytes.Buffer
	if err := w.Finish(&file); err != nil {
		f.Fatal(err)
	}
	f.Add(file.Bytes())
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := readAll(data); err != nil && !corrupt.Is(err) {
			t.Errorf("not marked as corrupt: %v", err)
		}
	})
}

func BenchmarkWriter(b *testing.B) {
	header := make([]byte, 1536)
	copy(header, "usr/share/doc/package/changelog.gz")
	id := verity.SHA256.Sum(nil)
	b.SetBytes(int64(len(header)))
	w := newWriter(b, verity.SHA256, Layer)
	for b.Loop() {
		w.Write(header)
		w.WriteObject(id, 0)
	}
}
