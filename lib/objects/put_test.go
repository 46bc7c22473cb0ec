package objects

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/internal/cputime"
	"cfs/lib/verity"
)

func TestPut(t *testing.T) {
	eachKind(t, func(t *testing.T, s *Store) {
		var all []verity.ID
		for _, size := range []int{0, 1, verity.Small, verity.Small + 1, 3*chunk + 5} {
			data := bytes.Repeat([]byte{7}, size)
			put := func() (verity.ID, bool, error) { return s.Put(bytes.NewReader(data), int64(size)) }
			id, stored, err := put()
			if err != nil || !stored || id != s.config.Algorithm.Sum(data) {
				t.Fatalf("size %d: %s, %v, %v", size, id, stored, err)
			}
			all = append(all, id)
			if again, stored, err := put(); stored || again != id || err != nil {
				t.Errorf("size %d: again: %s, %v, %v", size, again, stored, err)
			}
			// An object of a wrong size is no object: the right bytes take its place.
			s.damage(t, id, append(data, 'x'))
			if again, stored, err := put(); err != nil || !stored || again != id {
				t.Errorf("size %d: not replaced: %v", size, err)
			}
			if got, err := os.ReadFile(s.file(id)); err != nil || !bytes.Equal(got, data) {
				t.Errorf("size %d: %d bytes after replacing, %v", size, len(got), err)
			}
			if st, err := os.Stat(s.file(id)); err != nil || st.Mode() != 0o644 {
				t.Errorf("size %d: %v, %v", size, st.Mode(), err)
			}
		}
		s.wantOnly(t, all...)
	})
}

// TestShort: nothing is stored of an input that ends too early.
func TestShort(t *testing.T) {
	s := plain(t)
	for _, size := range []int64{1, 6, verity.Small, verity.Small + 1, 2 * chunk} {
		for _, input := range []string{"", strings.Repeat("x", int(size-1))} {
			if _, _, err := s.Put(strings.NewReader(input), size); err != io.ErrUnexpectedEOF {
				t.Errorf("%d bytes of %d: %v", len(input), size, err)
			}
		}
	}
	s.wantOnly(t)
}

// TestPutFile stores files, and shares their blocks where the file system can.
func TestPutFile(t *testing.T) {
	eachKind(t, func(t *testing.T, s *Store) {
		var all []verity.ID
		for _, size := range []int{verity.Small, verity.Small + 1, 2*chunk + 1} {
			name := filepath.Join(t.TempDir(), "file")
			data := bytes.Repeat([]byte{byte(size)}, size)
			os.WriteFile(name, data, 0o644)
			f, err := os.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			id, stored, err := s.PutFile(f, int(f.Fd()), int64(size))
			if err != nil || !stored || id != s.config.Algorithm.Sum(data) {
				t.Fatalf("size %d: %s, %v, %v", size, id, stored, err)
			}
			all = append(all, id)
			f.Seek(0, io.SeekStart)
			if _, _, err := s.PutFile(f, int(f.Fd()), int64(size+1)); err != io.ErrUnexpectedEOF {
				t.Errorf("size %d: file is shorter than said: %v", size, err)
			}
		}
		s.wantOnly(t, all...)
		t.Logf("blocks are shared: %v", !s.noClone.Load())
	})
}

// TestClone: an object that shares its blocks with a file has the file's bytes in both hashes. Where no blocks can be
// shared nothing is hashed, and nothing stored.
func TestClone(t *testing.T) {
	eachKind(t, func(t *testing.T, s *Store) {
		var all []verity.ID
		for _, size := range []int{1, 4097, beside, 2*chunk + 1} {
			data := bytes.Repeat([]byte{byte(size), 7}, size)[:size]
			name := filepath.Join(filepath.Dir(s.root.Name()), "file") // on the same file system
			if err := os.WriteFile(name, data, 0o644); err != nil {
				t.Fatal(err)
			}
			f, err := os.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			second := sha256.New()
			id, stored, err := s.Clone(f, int64(size), second)
			want := sha256.Sum256(data)
			switch {
			case errors.Is(err, ErrNoClone):
				want = sha256.Sum256(nil)
			case err != nil || !stored || id != s.config.Algorithm.Sum(data):
				t.Fatalf("size %d: %s, %v, %v", size, id, stored, err)
			default:
				all = append(all, id)
			}
			if got := second.Sum(nil); !bytes.Equal(got, want[:]) {
				t.Errorf("size %d: the second hash is %x, want %x", size, got, want)
			}
			if _, _, err := s.Clone(f, int64(size+1), second); !errors.Is(err, ErrNoClone) && !corrupt.Is(err) {
				t.Errorf("size %d: file is shorter than said: %v", size, err)
			}
		}
		s.wantOnly(t, all...)
		t.Logf("blocks are shared: %v", len(all) > 0)
	})
}

// TestWrongType: what is not a regular file is no object, and makes room for one unless it
// is a directory.
func TestWrongType(t *testing.T) {
	data := []byte("right")
	for what, make := range map[string]func(name string) error{
		"symbolic link": func(name string) error {
			os.WriteFile(name+"~", data, 0o644)
			return os.Symlink(name+"~", name)
		},
		"link to nothing": func(name string) error { return os.Symlink("nothing", name) },
		"fifo":            func(name string) error { return unix.Mkfifo(name, 0o644) },
		"directory":       func(name string) error { return os.Mkdir(name, 0o755) },
	} {
		s := plain(t)
		id, _, err := s.PutBytes(data)
		if err != nil {
			t.Fatal(err)
		}
		os.Remove(s.file(id))
		if err := make(s.file(id)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Verify(id); err == nil {
			t.Errorf("%s: verified", what)
		}
		if _, err := s.Read(id, 100); err == nil {
			t.Errorf("%s: read", what)
		}
		_, stored, err := s.PutBytes(data)
		os.Remove(s.file(id) + "~")
		if what == "directory" {
			if want := "link " + s.file(id) + ": is a directory"; err == nil || err.Error() != want {
				t.Errorf("%s: got %v, want %s", what, err, want)
			}
			if left, err := s.Leftovers(); left != nil || err != nil {
				t.Errorf("%s: leftovers %v, %v", what, left, err)
			}
			continue
		}
		if err != nil || !stored {
			t.Errorf("%s: not replaced: %v", what, err)
		}
		s.wantOnly(t, id)
	}
}

// TestRace: of several writers of the same object one is first, and all succeed.
func TestRace(t *testing.T) {
	eachKind(t, func(t *testing.T, s *Store) {
		data := bytes.Repeat([]byte("x"), verity.Small)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if _, _, err := s.PutBytes(data); err != nil {
					t.Error(err)
				}
				if _, _, err := s.putLarge(bytes.NewReader(data), int64(len(data))); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		id := s.config.Algorithm.Sum(data)
		s.wantOnly(t, id)
		// A writer that saw no object comes late for sure.
		o, err := s.NewObject()
		if err != nil {
			t.Fatal(err)
		}
		o.Write(data)
		if err := s.name(o.temp, id, missing); err != nil {
			t.Error(err)
		}
		o.Discard()
		s.wantOnly(t, id)
	})
}

func TestObject(t *testing.T) {
	eachKind(t, func(t *testing.T, s *Store) {
		gone, err := s.NewObject()
		if err != nil {
			t.Fatal(err)
		}
		gone.Write([]byte("discarded"))
		gone.Discard()
		s.wantOnly(t)
		o, err := s.NewObject()
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if n, err := o.Write([]byte("piece ")); n != 6 || err != nil {
				t.Errorf("%d bytes written, %v", n, err)
			}
		}
		id, stored, err := o.Commit()
		if want := s.config.Algorithm.Sum([]byte("piece piece piece ")); err != nil || !stored || id != want {
			t.Errorf("%s, %v, %v; want %s", id, stored, err, want)
		}
		o.Discard()
		s.wantOnly(t, id)
	})
}

// TestWriteFails: the error names the store.
func TestWriteFails(t *testing.T) {
	for name, want := range map[string]string{"": "", "repository x": "repository x"} {
		s := open(t, ".", Config{Algorithm: verity.SHA256, Name: name})
		if want == "" {
			want = s.root.Name()
		}
		o, err := s.NewObject()
		if err != nil {
			t.Fatal(err)
		}
		o.temp.file.Close()
		if _, err := o.Write([]byte("x")); err == nil || !errors.Is(err, fs.ErrClosed) || !strings.HasPrefix(err.Error(), want+": ") {
			t.Errorf("got %v, want %s", err, want)
		}
		if _, _, err := o.put(strings.NewReader("x"), 1); !errors.Is(err, fs.ErrClosed) || corrupt.Is(err) {
			t.Error(err)
		}
		o.Discard()
	}
}

func BenchmarkPut(b *testing.B) {
	s := plain(b)
	data := make([]byte, 8000)
	b.SetBytes(int64(len(data)))
	for i := 0; b.Loop(); i++ {
		data[0], data[1], data[2] = byte(i), byte(i>>8), byte(i>>16)
		if _, _, err := s.Put(bytes.NewReader(data), int64(len(data))); err != nil {
			b.Fatal(err)
		}
	}
}

// PutAll does for each of several contents what Put does for one.
func TestPutAll(t *testing.T) {
	eachKind(t, func(t *testing.T, s *Store) {
		var contents [][]byte
		for _, size := range []int{0, 1, 5000, 70, verity.Small, 1} {
			contents = append(contents, bytes.Repeat([]byte{byte(size)}, size))
		}
		ids, stored, err := s.PutAll(contents)
		if err != nil || len(ids) != len(contents) || !slices.Equal(stored, []bool{true, true, true, true, true, false}) {
			t.Fatalf("%d digests, %v, %v", len(ids), stored, err)
		}
		for i, id := range ids {
			if id != s.config.Algorithm.Sum(contents[i]) {
				t.Errorf("content %d: %s", i, id)
			}
			if got, err := os.ReadFile(s.file(id)); err != nil || !bytes.Equal(got, contents[i]) {
				t.Errorf("content %d: %d bytes, %v", i, len(got), err)
			}
		}
		s.damage(t, ids[2], []byte("x"))
		again, stored, err := s.PutAll(contents)
		if err != nil || !slices.Equal(again, ids) || !slices.Equal(stored, []bool{false, false, true, false, false, false}) {
			t.Errorf("again: %v, %v", stored, err)
		}
		s.wantOnly(t, ids[:5]...)
	})
}

// What fails keeps what was stored before it, and says which one failed by its place.
func TestPutAllFails(t *testing.T) {
	s := plain(t)
	contents := [][]byte{[]byte("a"), []byte("b"), []byte("c")}
	bad := s.config.Algorithm.Sum(contents[1])
	// A file is where the folder of the second object should be.
	folder := filepath.Dir(s.file(bad))
	if err := errors.Join(os.MkdirAll(filepath.Dir(folder), 0o755), os.WriteFile(folder, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	ids, stored, err := s.PutAll(contents)
	if err == nil || len(ids) != 1 || !slices.Equal(stored, []bool{true}) {
		t.Errorf("%d digests, %v, %v", len(ids), stored, err)
	}
}

// Writes of any size become one object: those that are hashed beside, and those that are not.
func TestObjectWrites(t *testing.T) {
	s := plain(t)
	data := make([]byte, 3*chunk+77)
	rand.NewChaCha8([32]byte{}).Read(data)
	for _, size := range []int{1000, beside - 1, beside, beside + 1, chunk, len(data)} {
		o, err := s.NewObject()
		if err != nil {
			t.Fatal(err)
		}
		for piece := range slices.Chunk(data, size) {
			if n, err := o.Write(piece); n != len(piece) || err != nil {
				t.Fatal(n, err)
			}
		}
		id, _, err := o.Commit()
		o.Discard()
		if want := s.config.Algorithm.Sum(data); err != nil || id != want {
			t.Errorf("in pieces of %d: %s, %v", size, id, err)
		}
	}
}

// BenchmarkPutAll stores small files: new ones, and those that are there.
func BenchmarkPutAll(b *testing.B) {
	for _, size := range []int{500, 5000, 50_000} {
		contents := make([][]byte, 32)
		for i := range contents {
			contents[i] = make([]byte, size)
			rand.NewChaCha8([32]byte{byte(i)}).Read(contents[i])
		}
		b.Run(fmt.Sprintf("new/%d", size), func(b *testing.B) {
			s := open(b, "objects", Config{Algorithm: verity.SHA512, Marks: "cfs"})
			defer cputime.Start(b, int64(32*size))()
			for n := uint64(0); b.Loop(); n++ {
				for _, c := range contents {
					binary.LittleEndian.PutUint64(c, n)
				}
				if _, _, err := s.PutAll(contents); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("present/%d", size), func(b *testing.B) {
			s := open(b, "objects", Config{Algorithm: verity.SHA512, Marks: "cfs"})
			defer cputime.Start(b, int64(32*size))()
			for b.Loop() {
				if _, _, err := s.PutAll(contents); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
