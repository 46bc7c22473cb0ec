package objects

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"cfs/lib/corrupt"
	"cfs/lib/verity"
)

func TestRead(t *testing.T) {
	eachKind(t, func(t *testing.T, s *Store) {
		id, _, err := s.PutBytes([]byte("text"))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Read(id, 4); string(got) != "text" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		f, err := s.Open(id)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if got, err := io.ReadAll(f); string(got) != "text" || err != nil || f.File().Name() != s.file(id) || f.Size() != 4 {
			t.Errorf("%s of %d bytes: got %q, %v", f.File().Name(), f.Size(), got, err)
		}
		want := "object " + id.String() + ": is larger than 3 bytes"
		if _, err := s.Read(id, 3); !corrupt.Is(err) || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		for _, find := range []func(verity.ID) (int64, error){s.Size, s.Verify, s.VerifyContent} {
			if size, err := find(id); size != 4 || err != nil {
				t.Errorf("size %d, %v", size, err)
			}
		}
		if err := s.Remove(id); err != nil {
			t.Error(err)
		}
		want = "object " + id.String() + ": no such file or directory"
		remove := func(id verity.ID) (int64, error) { return 0, s.Remove(id) }
		for _, find := range []func(verity.ID) (int64, error){s.Size, s.Verify, s.VerifyContent, remove} {
			if _, err := find(id); !errors.Is(err, fs.ErrNotExist) || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
		}
		if _, err := s.Read(id, 4); !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
		s.wantOnly(t)
	})
}

func TestVerify(t *testing.T) {
	s := plain(t)
	for _, size := range []int{1, verity.Small, 2*chunk + 1} {
		id, _, err := s.PutBytes([]byte(strings.Repeat("x", size)))
		if err != nil {
			t.Fatal(err)
		}
		s.damage(t, id, []byte(strings.Repeat("y", size)))
		if _, err := s.Verify(id); !corrupt.Is(err) || !strings.Contains(err.Error(), "its content has the digest ") {
			t.Errorf("size %d: other content: %v", size, err)
		}
	}
}

// TestReadAll: what is not a regular file has no content.
func TestReadAll(t *testing.T) {
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if _, err := ReadAll(dir, 1); !corrupt.Is(err) || err.Error() != "is not a regular file" {
		t.Error(err)
	}
	dir.Close()
	if _, err := ReadAll(dir, 1); !errors.Is(err, fs.ErrClosed) {
		t.Error(err)
	}
}

func TestList(t *testing.T) {
	eachKind(t, func(t *testing.T, s *Store) {
		var want []verity.ID
		for _, text := range []string{"a", "b", "c", "d", "e"} {
			id, _, err := s.PutBytes([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, id)
		}
		slices.SortFunc(want, func(a, b verity.ID) int { return strings.Compare(a.String(), b.String()) })
		var got []verity.ID
		for id := range s.List() {
			got = append(got, id)
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		for id := range s.List() {
			if id != want[0] {
				t.Errorf("the first is %s", id)
			}
			break
		}
	})
}

// TestListStrays: what is no object comes as an error with its path.
func TestListStrays(t *testing.T) {
	s := plain(t)
	dir := s.root.Name() + "/objects/00/"
	os.MkdirAll(dir+strings.Repeat("0", 62), 0o755)
	short, upper := "00", strings.Repeat("A", 62)
	long := verity.SHA512.Sum(nil).ObjectPath()[3:]
	for _, name := range []string{short, upper, long} {
		os.WriteFile(dir+name, nil, 0o644)
	}
	os.WriteFile(s.root.Name()+"/objects/01", nil, 0o644)
	os.MkdirAll(s.root.Name()+"/objects/zz", 0o755) // is not looked for
	var got []string
	for id, err := range s.List() {
		if !id.IsZero() || !IsStray(err) {
			t.Fatalf("%s, %v", id, err)
		}
		got = append(got, err.Error())
	}
	var want []string
	for _, name := range []string{short, strings.Repeat("0", 62), upper, long} {
		want = append(want, "objects/00/"+name+" is no object")
	}
	slices.Sort(want)
	if len(got) != 5 || !slices.Equal(slices.Sorted(slices.Values(got[:4])), want) || got[4] != "objects/01 is not a directory" {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for range s.List() {
		break
	}
	// A store of any algorithm takes what has the name of a digest.
	s.config.Algorithm = 0
	objects := 0
	for _, err := range s.List() {
		if err == nil {
			objects++
		}
	}
	if objects != 1 {
		t.Errorf("%d objects of any algorithm", objects)
	}
}

// TestFirstMissing: of objects in order, the first that is not there, wherever it would be.
func TestFirstMissing(t *testing.T) {
	eachKind(t, func(t *testing.T, s *Store) {
		var all []verity.ID
		for i := range 600 { // more than there are folders
			id, _, err := s.PutBytes([]byte{byte(i), byte(i >> 8)})
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, id)
		}
		slices.SortFunc(all, verity.ID.Compare)
		for _, wanted := range [][]verity.ID{nil, all, all[:1], all[300:]} {
			if id, err := s.FirstMissing(wanted); !id.IsZero() || err != nil {
				t.Errorf("of %d: %s is missing, %v", len(wanted), id, err)
			}
		}
		for _, i := range []int{599, 300, 299, 1, 0} {
			if err := s.Remove(all[i]); err != nil {
				t.Fatal(err)
			}
			if id, err := s.FirstMissing(all); id != all[i] || err != nil {
				t.Errorf("got %s, %v, want %s, the one at %d", id, err, all[i], i)
			}
		}
		if err := s.root.RemoveAll(s.in(all[0].ObjectPath()[:2])); err != nil {
			t.Fatal(err)
		}
		if id, err := s.FirstMissing(all); id != all[0] || err != nil {
			t.Errorf("without its folder: %s, %v", id, err)
		}
	})
}
