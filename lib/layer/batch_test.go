package layer_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"cfs/lib/corrupt"
	"cfs/lib/layer"
	"cfs/lib/splitstream"
	"cfs/lib/verity"
	"cfs/testdata/rawtar"
)

// stream splits a tar into a store.
func stream(t *testing.T, tar io.Reader, store layer.Store) ([]byte, error) {
	scratch := func() (*os.File, error) { return os.CreateTemp(t.TempDir(), "") }
	w, err := splitstream.NewWriter(verity.SHA256, splitstream.Layer, scratch)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	if err := layer.Split(tar, w, store); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = w.Finish(&out)
	return out.Bytes(), err
}

func sum(in io.Reader, _ int64) (verity.ID, error) {
	id, _, err := verity.SHA256.SumReader(in)
	return id, err
}

// sums is a store that names objects only, in batches.
var sums = layer.Store{Small: func(c [][]byte) ([]verity.ID, error) { return verity.SHA256.SumAll(c), nil }, Large: sum}

// mixed is a tar in which batches end for each reason: many files, much content, a large
// file, many literals, the end.
func mixed() []byte {
	var members []rawtar.Member
	add := func(sizes ...int) {
		for _, size := range sizes {
			members = append(members, file(fmt.Sprintf("f%d", len(members)), large(size)))
		}
	}
	for size := range 70 {
		add(60 + size)
	}
	add(verity.Small, verity.Small-100, 100, 101, verity.Small+1, 200, 5*verity.Small, 3*verity.Small+7, verity.Small, 65)
	for range 1200 {
		add(3)
	}
	add(300, 301, 2*verity.Small)
	return rawtar.Tar(members...)
}

// The stream does not depend on how files are stored, and the tar comes back out of it.
func TestBatches(t *testing.T) {
	tar := mixed()
	var (
		lock    sync.Mutex
		content = make(map[verity.ID][]byte)
	)
	each := layer.Each(func(in io.Reader, size int64) (verity.ID, error) {
		data, err := io.ReadAll(in)
		id := verity.SHA256.Sum(data)
		lock.Lock()
		defer lock.Unlock()
		content[id] = data
		return id, err
	})
	want, err := stream(t, bytes.NewReader(tar), each)
	if err != nil {
		t.Fatal(err)
	}
	got, err := stream(t, bytes.NewReader(tar), sums)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("in batches the stream is another one: %v", err)
	}
	r, err := splitstream.NewReader(bytes.NewReader(got), int64(len(got)))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var back bytes.Buffer
	open := func(id verity.ID) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content[id])), nil }
	if _, err := r.Join(&back, open); err != nil || !bytes.Equal(back.Bytes(), tar) {
		t.Errorf("%d bytes came back of %d: %v", back.Len(), len(tar), err)
	}
}

// The reader goes on behind a large file before that is stored, and reads it in segments
// that it hands on as they are.
func TestLargeBesides(t *testing.T) {
	later := make(chan struct{})
	store := layer.Store{
		Small: func(c [][]byte) ([]verity.ID, error) {
			close(later)
			return verity.SHA256.SumAll(c), nil
		},
		Large: func(in io.Reader, size int64) (verity.ID, error) {
			h := verity.SHA256.New()
			n, err := in.(io.WriterTo).WriteTo(h)
			if n != size {
				t.Errorf("%d bytes of %d", n, size)
			}
			<-later
			return h.ID(), err
		},
	}
	tar := rawtar.Tar(file("large", large(20*verity.Small)), file("small", large(100)))
	got, err := stream(t, bytes.NewReader(tar), store)
	if err != nil {
		t.Fatal(err)
	}
	if want, _ := stream(t, bytes.NewReader(tar), sums); !bytes.Equal(got, want) {
		t.Error("the stream is another one")
	}
}

// An error names the file that it is about, and ends all.
func TestStoreFails(t *testing.T) {
	full := errors.New("no space left")
	failing := func(after int) func(c [][]byte) ([]verity.ID, error) {
		return func(c [][]byte) ([]verity.ID, error) {
			if len(c) == 2 {
				return verity.SHA256.SumAll(c[:after]), full
			}
			return verity.SHA256.SumAll(c), nil
		}
	}
	tar := rawtar.Tar(file("a", large(100)), file("b", ""), file("c", large(200)), file("d", large(9*verity.Small)), file("e", large(100)))
	for name, store := range map[string]layer.Store{
		"a": {Small: failing(0), Large: sum},
		"c": {Small: failing(1), Large: sum},
		"d": {Small: sums.Small, Large: func(in io.Reader, _ int64) (verity.ID, error) {
			in.Read(make([]byte, 10))
			return verity.ID{}, full
		}},
	} {
		_, err := stream(t, bytes.NewReader(tar), store)
		if !errors.Is(err, full) || !strings.HasPrefix(err.Error(), fmt.Sprintf("%q", name)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// One that wants only a part is no reason to wait for ever.
	part := func(in io.Reader, _ int64) (verity.ID, error) { return sum(io.LimitReader(in, 10), 10) }
	if _, err := stream(t, bytes.NewReader(tar), layer.Store{Small: sums.Small, Large: part}); err != nil {
		t.Error(err)
	}
}

// What is cut off inside a file is never whole to who stores it.
func TestTruncatedFiles(t *testing.T) {
	tar := rawtar.Tar(file("a", large(100)), file("b", large(9*verity.Small)))
	for _, end := range []int{512 + 50, 1024 + 512 + 1, 1024 + 512 + verity.Small, 1024 + 512 + 9*verity.Small - 1} {
		store := layer.Store{Small: sums.Small, Large: func(in io.Reader, size int64) (verity.ID, error) {
			if n, err := io.Copy(io.Discard, in); err == nil || n == size {
				t.Errorf("cut off at %d: the store saw %d bytes and their end", end, n)
			}
			return verity.ID{}, io.ErrClosedPipe
		}}
		_, err := stream(t, bytes.NewReader(tar[:end]), store)
		if want := fmt.Sprintf("truncated tar at byte %d", end); !corrupt.Is(err) || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("cut off at %d: %v", end, err)
		}
	}
}
