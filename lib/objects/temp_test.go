package objects

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/verity"
)

// TestTemp: a temporary file has no name, also where files are made with one.
func TestTemp(t *testing.T) {
	for _, noTemp := range []bool{false, true} {
		s := plain(t)
		s.noTemp.Store(noTemp)
		f, err := s.Temp()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("text"); err != nil {
			t.Error(err)
		}
		f.Seek(0, io.SeekStart)
		if got, err := io.ReadAll(f); string(got) != "text" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		var st unix.Stat_t
		if err := unix.Fstat(int(f.Fd()), &st); err != nil || st.Nlink != 0 {
			t.Errorf("%d links, %v", st.Nlink, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		s.wantOnly(t)
	}
}

// TestUnfinished: what a killed writer leaves is found, is no object, and does not make a
// store that has objects.
func TestUnfinished(t *testing.T) {
	eachKind(t, func(t *testing.T, s *Store) {
		killed, err := s.NewObject() // and never discarded
		if err != nil {
			t.Fatal(err)
		}
		defer killed.temp.file.Close()
		left, err := s.Leftovers()
		if err != nil || (len(left) == 1) != (killed.temp.name != "") {
			t.Errorf("leftovers %v, %v", left, err)
		}
		if empty, err := s.Empty(); !empty || err != nil {
			t.Errorf("a store with an unfinished object is empty: %v, %v", empty, err)
		}
		for _, name := range left {
			if err := s.root.Remove(name); err != nil {
				t.Error(err)
			}
		}
		s.wantOnly(t)
		id, _, err := s.PutBytes(nil)
		if err != nil {
			t.Error(err)
		}
		if empty, err := s.Empty(); empty || err != nil {
			t.Errorf("a store with an object is empty: %v, %v", empty, err)
		}
		s.wantOnly(t, id)
	})
}

// TestReplaceKilled stops between the two steps of replacing: the old file has its name
// still, what is left is found, and the next writer replaces it.
func TestReplaceKilled(t *testing.T) {
	eachKind(t, func(t *testing.T, s *Store) {
		data := []byte("right")
		id, _, err := s.PutBytes(data)
		if err != nil {
			t.Fatal(err)
		}
		s.damage(t, id, []byte("of a wrong size"))
		killed, err := s.newObjectTemp(s.sub)
		if err != nil {
			t.Fatal(err)
		}
		defer killed.file.Close()
		if killed.name == "" {
			if err := killed.link(tempName(s.sub)); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(s.file(id)); err != nil || string(got) != "of a wrong size" {
			t.Errorf("before the last step: %q, %v", got, err)
		}
		left, err := s.Leftovers()
		if len(left) != 1 || err != nil {
			t.Fatalf("leftovers %v, %v", left, err)
		}
		if _, stored, err := s.PutBytes(data); err != nil || !stored {
			t.Errorf("not replaced: %v", err)
		}
		if err := s.root.Remove(left[0]); err != nil {
			t.Error(err)
		}
		s.wantOnly(t, id)
	})
}

// TestReplaceAlways looks at an object while it is replaced repeatedly: it is never
// missing.
func TestReplaceAlways(t *testing.T) {
	eachKind(t, func(t *testing.T, s *Store) {
		data := []byte("right")
		id, _, err := s.PutBytes(data)
		if err != nil {
			t.Fatal(err)
		}
		var stop sync.WaitGroup
		done := make(chan struct{})
		stop.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if _, err := s.Size(id); err != nil {
					t.Error(err)
					return
				}
			}
		})
		for range 50 {
			s.damage(t, id, nil)
			if _, stored, err := s.PutBytes(data); err != nil || !stored {
				t.Errorf("not replaced: %v", err)
			}
		}
		close(done)
		stop.Wait()
		s.wantOnly(t, id)
	})
}

// TestLink: a name that is taken stays as it is.
func TestLink(t *testing.T) {
	eachKind(t, func(t *testing.T, s *Store) {
		taken := s.root.Name() + "/taken"
		os.WriteFile(taken, []byte("old"), 0o644)
		f, err := s.newObjectTemp(s.sub)
		if err != nil {
			t.Fatal(err)
		}
		f.file.WriteString("new")
		if err := f.link("taken"); !errors.Is(err, fs.ErrExist) {
			t.Errorf("linked over another: %v", err)
		}
		if got, _ := os.ReadFile(taken); !bytes.Equal(got, []byte("old")) {
			t.Errorf("got %q", got)
		}
		if err := f.link("none/x"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("linked into no folder: %v", err)
		}
		if err := f.replace("none/x"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("replaced in no folder: %v", err)
		}
		if err := f.replace("taken"); err != nil {
			t.Error(err)
		}
		if got, _ := os.ReadFile(taken); !bytes.Equal(got, []byte("new")) {
			t.Errorf("got %q", got)
		}
		if err := f.discard(); err != nil {
			t.Error(err)
		}
		if left, err := s.Leftovers(); left != nil || err != nil {
			t.Errorf("leftovers %v, %v", left, err)
		}
	})
}

// TestBusy: where a file is open for writing elsewhere, fs-verity cannot be enabled, which
// is found after some attempts.
func TestBusy(t *testing.T) {
	s := plain(t)
	f, err := s.Temp()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	switch err := enable(f, verity.SHA256); {
	case errors.Is(err, verity.ErrUnsupported):
		t.Skipf("SKIPPED: %v", err)
	case err == nil:
		t.Error("enabled on a file that is open for writing")
	}
}

// TestFault14: an error of closing a file, by which some file systems say that they could
// not store what was written, was passed over. A file that has a name already gets its final
// one after it was closed.
func TestFault14(t *testing.T) {
	s := plain(t)
	s.noTemp.Store(true)
	s.noVerity.Store(true)
	o, err := s.NewObject()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.Write([]byte("text")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Close(int(o.temp.file.Fd())); err != nil { // the next close fails
		t.Fatal(err)
	}
	id, _, err := o.Commit()
	if !errors.Is(err, unix.EBADF) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Size(id); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it has its name: %v", err)
	}
	o.Discard()
	s.wantOnly(t)
}
