package oci_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/opencontainers/go-digest"

	"cfs/lib/blob"
	"cfs/lib/corrupt"
	"cfs/lib/internal/repotest"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/verity"
)

// sample returns a tar with files that become objects, also large ones and one that comes
// twice, and one that does not.
func sample(t *testing.T) []byte {
	t.Helper()
	return repotest.Tar(t, repotest.Dir("usr"),
		repotest.File("usr/a", repotest.Text("a", 100)), repotest.File("usr/again", repotest.Text("a", 100)),
		repotest.File("usr/small", "small"), repotest.File("usr/large", repotest.Text("large", 1<<20)))
}

// packed returns data in each of the compressions.
func packed(t *testing.T, data []byte) map[blob.Compression][]byte {
	t.Helper()
	return map[blob.Compression][]byte{blob.None: data, blob.Gzip: repotest.Gzip(t, data), blob.Zstd: repotest.Zstd(t, data)}
}

// TestImportLayer: however a tar is compressed, the stream is the same, and gives it back;
// what was imported once is there the second time.
func TestImportLayer(t *testing.T) {
	repotest.EachAlgorithm(t, func(t *testing.T, a verity.Algorithm) {
		tar := sample(t)
		var stream verity.ID
		for c, data := range packed(t, tar) {
			r := repotest.New(t, a)
			got, err := oci.ImportLayer(t.Context(), r, bytes.NewReader(data), c, oci.Source{Size: -1})
			if err != nil {
				t.Fatal(err)
			}
			want := oci.Source{Digest: digest.FromBytes(data), Size: int64(len(data)), DiffID: digest.FromBytes(tar)}
			external := int64(2*100 + 1<<20)
			if got.Source != want || got.New+got.Present != 3 || got.New < 2 || got.Inline != int64(len(tar))-external {
				t.Errorf("%s: %+v, want of %+v", c, got, want)
			}
			if stream.IsZero() {
				stream = got.Stream
			}
			if got.Stream != stream {
				t.Errorf("%s: the stream is another one", c)
			}
			wantContent(t, r, got.Stream, tar)
			before := repotest.List(t, r)
			again, err := oci.ImportLayer(t.Context(), r, bytes.NewReader(data), c, want)
			if err != nil || again.Stream != stream || again.New != 0 || again.NewBytes != 0 || again.Present != 3 {
				t.Errorf("%s: again: %+v, %v", c, again, err)
			}
			repotest.WantList(t, r, before)
		}
	})
}

// wantContent checks what a stream holds.
func wantContent(t *testing.T, r *repo.Repo, id verity.ID, want []byte) {
	t.Helper()
	s, closer, err := oci.OpenStream(r, id)
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	var got bytes.Buffer
	if _, err := s.Join(&got, func(id verity.ID) (io.ReadCloser, error) { return r.Objects.Open(id) }); err != nil || !bytes.Equal(got.Bytes(), want) {
		t.Errorf("the stream holds %d bytes, want %d, %v", got.Len(), len(want), err)
	}
}

// TestImportCounts: of the files of a layer, which were new.
func TestImportCounts(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	addA(t, r)
	tar := repotest.Tar(t, repotest.File("a", repotest.Text("a", 100)), repotest.File("b", repotest.Text("b", 1000)))
	got, err := oci.ImportLayer(t.Context(), r, bytes.NewReader(tar), blob.None, oci.Source{Size: -1})
	if err != nil || got.New != 1 || got.NewBytes != 1000 || got.Present != 1 || got.Inline != int64(len(tar))-1100 {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestImportVerifies: a blob that is not what it must be is corrupt, and gets no stream.
func TestImportVerifies(t *testing.T) {
	tar := sample(t)
	for c, data := range packed(t, tar) {
		r := repotest.New(t, verity.SHA256)
		source := oci.Source{Digest: digest.FromBytes(data), Size: int64(len(data)), DiffID: digest.FromBytes(tar)}
		for _, v := range []struct {
			name   string
			data   []byte
			change func(*oci.Source)
			want   string
		}{
			{"another digest", data, func(s *oci.Source) { s.Digest = digest.FromString("other") }, "its content has a different digest"},
			{"no digest", data, func(s *oci.Source) { s.Digest = "sha256:12" }, `digest "sha256:12"`},
			{"longer", data, func(s *oci.Source) { s.Size-- }, "is longer than its"},
			{"shorter", data, func(s *oci.Source) { s.Size++ }, "bytes, want"},
			{"longer, digest not known", data, func(s *oci.Source) { s.Digest, s.Size = "", s.Size-1 }, "bytes, want"},
			{"another diff ID", data, func(s *oci.Source) { s.DiffID = digest.FromString("other") }, "the config has the diff ID"},
			{"cut", data[:len(data)/2], func(s *oci.Source) { *s = oci.Source{Size: -1} }, ""},
			{"empty", nil, func(s *oci.Source) { *s = oci.Source{Size: -1, DiffID: s.DiffID} }, ""},
			{"more behind it", append(bytes.Clone(data), "more"...), func(*oci.Source) {}, ""},
		} {
			src := source
			v.change(&src)
			got, err := oci.ImportLayer(t.Context(), r, bytes.NewReader(v.data), c, src)
			if !corrupt.Is(err) || !strings.Contains(err.Error(), v.want) || !got.Stream.IsZero() {
				t.Errorf("%s, %s: %+v, %v", c, v.name, got, err)
			}
			if names, err := r.Names(repo.Streams); names != nil || err != nil {
				t.Errorf("%s, %s: named %q, %v", c, v.name, names, err)
			}
		}
	}
}

// TestImportOtherDigests: digests need not be of sha256.
func TestImportOtherDigests(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	tar := sample(t)
	data := repotest.Gzip(t, tar)
	want := oci.Source{Digest: digest.SHA512.FromBytes(data), Size: int64(len(data)), DiffID: digest.SHA512.FromBytes(tar)}
	got, err := oci.ImportLayer(t.Context(), r, bytes.NewReader(data), blob.Gzip, want)
	if err != nil || got.Source != want {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestImportReader: an error of the reader comes as it is: it is not about the data.
func TestImportReader(t *testing.T) {
	broken := errors.New("the disk is broken")
	for c, data := range packed(t, sample(t)) {
		r := repotest.New(t, verity.SHA256)
		for _, n := range []int{0, 1, len(data) / 2, len(data) - 1, len(data)} {
			in := func() io.Reader { return io.MultiReader(bytes.NewReader(data[:n]), iotest.ErrReader(broken)) }
			_, layerErr := oci.ImportLayer(t.Context(), r, in(), c, oci.Source{Size: -1})
			_, blobErr := oci.ImportBlob(t.Context(), r, in(), oci.Source{Size: -1})
			for what, err := range map[string]error{"layer": layerErr, "blob": blobErr} {
				if !errors.Is(err, broken) || corrupt.Is(err) {
					t.Errorf("%s, %s, after %d of %d bytes: %v", c, what, n, len(data), err)
				}
			}
		}
	}
}

// TestImportEnds: an import ends with its context, in the blob and, as few bytes can become
// many, behind the compression.
func TestImportEnds(t *testing.T) {
	tar := repotest.Tar(t, repotest.File("zeros", strings.Repeat("\x00", 4<<20)))
	for c, data := range packed(t, tar) {
		r := repotest.New(t, verity.SHA256)
		ctx, cancel := context.WithCancel(t.Context())
		in := io.MultiReader(bytes.NewReader(data[:len(data)/2]), readerFunc(func([]byte) (int, error) {
			cancel()
			return 0, io.EOF
		}), bytes.NewReader(data[len(data)/2:]))
		if _, err := oci.ImportLayer(ctx, r, in, c, oci.Source{Size: -1}); !errors.Is(err, context.Canceled) || corrupt.Is(err) {
			t.Errorf("%s: %v", c, err)
		}
		if _, err := oci.ImportBlob(ctx, r, bytes.NewReader(data), oci.Source{Size: -1}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s as a blob: %v", c, err)
		}
	}
}

// readerFunc is one method of a reader.
type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestImportBlob: any bytes are one object and a stream of it.
func TestImportBlob(t *testing.T) {
	for _, text := range []string{"", "small", repotest.Text("a blob", 3<<20)} {
		r := repotest.New(t, verity.SHA512)
		want := oci.Source{Digest: digest.FromString(text), Size: int64(len(text))}
		got, err := oci.ImportBlob(t.Context(), r, strings.NewReader(text), oci.Source{Size: -1})
		if err != nil || got.Source != want || got.New != 1 || got.NewBytes != want.Size || got.Present != 0 {
			t.Errorf("%d bytes: %+v, %v", len(text), got, err)
		}
		wantContent(t, r, got.Stream, []byte(text))
		again, err := oci.ImportBlob(t.Context(), r, strings.NewReader(text), want)
		if err != nil || again.Stream != got.Stream || again.New != 0 || again.Present != 1 {
			t.Errorf("%d bytes again: %+v, %v", len(text), again, err)
		}
		for name, src := range map[string]oci.Source{
			"digest": {Digest: digest.FromString("other"), Size: -1}, "size": {Size: want.Size + 1}, "no digest": {Digest: "x"},
		} {
			if _, err := oci.ImportBlob(t.Context(), r, strings.NewReader(text), src); !corrupt.Is(err) {
				t.Errorf("%d bytes, another %s: %v", len(text), name, err)
			}
		}
	}
}

// TestStored: a layer is there if its name leads to a stream that begins as one, of a tar
// where that is wanted.
func TestStored(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	layer, other := addA(t, r), repotest.AddBlob(t, r, "blob")
	key := repotest.Image{Layers: []repotest.Layer{layer}}.Link(t).Keys[0]
	blobKey := repotest.Image{Artifact: true, Layers: []repotest.Layer{other}}.Link(t).Keys[0]
	none := repotest.Image{Artifact: true, Layers: []repotest.Layer{{Imported: oci.Imported{Source: oci.Source{Digest: digest.FromString("none")}}}}}.Link(t).Keys[0]
	for _, tar := range []bool{true, false} {
		if id, err := oci.Stored(r, key, tar); err != nil || id != layer.Stream {
			t.Errorf("a layer: %s, %v", id, err)
		}
		if _, err := oci.Stored(r, none, tar); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("none: %v", err)
		}
		if id, err := oci.Stored(r, blobKey, tar); tar && !errors.Is(err, fs.ErrNotExist) || !tar && (err != nil || id != other.Stream) {
			t.Errorf("a blob, tar %v: %s, %v", tar, id, err)
		}
	}
	repotest.Flip(t, r, layer.Stream, 0)
	if _, err := oci.Stored(r, key, true); !corrupt.Is(err) {
		t.Errorf("a damaged one: %v", err)
	}
	repotest.Lose(t, r, layer.Stream)
	if _, err := oci.Stored(r, key, true); !errors.Is(err, fs.ErrNotExist) || corrupt.Is(err) {
		t.Errorf("one that is missing: %v", err)
	}
}
