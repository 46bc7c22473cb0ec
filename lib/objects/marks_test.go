package objects

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cfs/lib/verity"
)

// again opens the store once more, as the next process does.
func (s *Store) again(t *testing.T) *Store {
	t.Helper()
	next, err := Open(s.root, s.sub, s.config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { next.Close() })
	return next
}

// marksOf lists the names of the marks in the root of a store.
func marksOf(t *testing.T, s *Store) (names []string) {
	t.Helper()
	all, err := filepath.Glob(s.root.Name() + "/" + s.config.Marks + "/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		names = append(names, filepath.Base(name))
	}
	return names
}

// left makes the mark of a writer that is dead.
func (s *Store) left(t *testing.T, text string) (path string) {
	t.Helper()
	dir := s.root.Name() + "/" + s.config.Marks
	path = dir + "/" + markPrefix + "dead"
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
	return path
}

// kill ends a writer without anything that it does at its end.
func (s *Store) kill(t *testing.T) {
	t.Helper()
	if err := errors.Join(s.marks.own.Close(), s.dir.Close()); err != nil {
		t.Error(err)
	}
	s.marks.own = nil
}

var contents = map[string][]byte{"small": []byte("content"), "large": bytes.Repeat([]byte("content"), verity.Small)}

// TestFault3Torn: an object that a writer of an earlier boot has left without a flush, of
// the right size and of zeros, is replaced, however it is stored; one that is whole stays.
func TestFault3Torn(t *testing.T) {
	var here place
	for name, text := range map[string]string{
		"earlier boot":   place{"0a-0b", "7"}.text(),
		"other mount":    "of this boot",
		"empty mark":     "",
		"half a mark":    "boot 0a",
		"garbage":        strings.Repeat("x", 2*maxMark),
		"failed earlier": place{"0a-0b", "7"}.text() + failedMark,
		"failed now":     "of this mount, failed",
	} {
		for size, content := range contents {
			s := plain(t)
			if here = s.here(); here.boot == "" || here.mount == "" {
				t.Skip("SKIPPED, and so it is not tested that torn objects are replaced: this kernel gives mounts no unique IDs")
			}
			switch text {
			case "of this boot":
				text = place{here.boot, "1"}.text()
			case "of this mount, failed":
				text = here.text() + failedMark
			}
			s.left(t, text)
			id := s.config.Algorithm.Sum(content)
			writeFile(t, s.file(id), make([]byte, len(content)))
			for range 2 { // the second one finds what the first one has stored
				got, stored, err := s.Put(bytes.NewReader(content), int64(len(content)))
				if err != nil || got != id {
					t.Errorf("%s, %s: %v, %v", name, size, got, err)
				}
				if _, err := s.Verify(id); err != nil {
					t.Errorf("%s, %s, stored %v: %v", name, size, stored, err)
				}
			}
			inode := inodeOf(t, s.file(id))
			next := s.again(t)
			if _, _, err := next.PutBytes(content); err != nil {
				t.Errorf("%s, %s: %v", name, size, err)
			}
			if same := os.SameFile(inode, inodeOf(t, s.file(id))); same == strings.HasPrefix(text, here.bootLine()) && strings.HasSuffix(text, failedMark) {
				t.Errorf("%s, %s: the whole object has stayed: %v", name, size, same)
			}
		}
	}
}

func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content, 0o644)); err != nil {
		t.Fatal(err)
	}
}

func inodeOf(t *testing.T, path string) os.FileInfo {
	t.Helper()
	st, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// TestFault3NoMarks: a store without a place for marks hashes what it finds.
func TestFault3NoMarks(t *testing.T) {
	s := open(t, ".", Config{Algorithm: verity.SHA256, Lenient: true})
	content := contents["small"]
	id := s.config.Algorithm.Sum(content)
	writeFile(t, s.file(id), make([]byte, len(content)))
	if _, stored, err := s.PutBytes(content); !stored || err != nil {
		t.Errorf("stored %v, %v", stored, err)
	}
	s.wantOnly(t, id)
	if _, stored, err := s.again(t).PutBytes(content); stored || err != nil {
		t.Errorf("again: stored %v, %v", stored, err)
	}
}

// TestMark: a writer has a mark from its first object on until all that it wrote is flushed;
// one that stores nothing has none.
func TestMark(t *testing.T) {
	for _, noTemp := range []bool{false, true} {
		s := plain(t)
		s.noTemp.Store(noTemp)
		want := func(n int, when string) {
			t.Helper()
			if got := marksOf(t, s); len(got) != n {
				t.Errorf("%s: marks %q, want %d", when, got, n)
			}
		}
		put := func(s *Store) {
			t.Helper()
			if _, _, err := s.PutBytes(contents["small"]); err != nil {
				t.Error(err)
			}
		}
		want(0, "before")
		writer := s.again(t)
		writer.noTemp.Store(noTemp)
		put(writer)
		want(1, "after the first object")
		if st := inodeOf(t, s.root.Name()+"/cfs"); st.Mode() != fs.ModeDir|0o755 {
			t.Errorf("the folder has the mode %v", st.Mode())
		}
		if err := errors.Join(writer.Sync(), writer.Close()); err != nil {
			t.Error(err)
		}
		want(0, "after the flush")
		finder := s.again(t)
		put(finder)
		want(0, "after nothing was stored")
		if err := finder.Close(); err != nil {
			t.Error(err)
		}
		unflushed := s.again(t)
		unflushed.noTemp.Store(noTemp)
		if _, _, err := unflushed.PutBytes([]byte("more")); err != nil {
			t.Error(err)
		}
		if err := errors.Join(unflushed.Sync(), second(unflushed.PutBytes([]byte("even more"))), unflushed.Close()); err != nil {
			t.Error(err)
		}
		want(1, "when something was stored after the flush")
		if left, err := s.Leftovers(); left != nil || err != nil {
			t.Errorf("leftovers %q, %v", left, err)
		}
	}
}

func second(_ verity.ID, _ bool, err error) error { return err }

// TestMarkOfKilled: what a writer that was killed in this boot has left is trusted, and the
// next flush is for it too.
func TestMarkOfKilled(t *testing.T) {
	s := plain(t)
	if s.here().mount == "" {
		t.Skip("SKIPPED, and so it is not tested that a killed writer costs nothing: this kernel gives mounts no unique IDs")
	}
	killed := s.again(t)
	id, _, err := killed.PutBytes(contents["small"])
	if err != nil {
		t.Fatal(err)
	}
	s.damage(t, id, make([]byte, len(contents["small"]))) // so that it is seen whether it is hashed
	living := s.again(t)
	if _, stored, err := living.PutBytes(contents["small"]); stored || err != nil {
		t.Errorf("beside a living writer: stored %v, %v", stored, err)
	}
	if err := living.Sync(); err != nil || len(marksOf(t, s)) != 1 {
		t.Errorf("the mark of a living writer: %v, marks %q", err, marksOf(t, s))
	}
	killed.kill(t)
	next := s.again(t)
	if _, stored, err := next.PutBytes(contents["small"]); stored || err != nil {
		t.Errorf("after it was killed: stored %v, %v", stored, err)
	}
	if err := errors.Join(next.Sync(), next.Close()); err != nil || marksOf(t, s) != nil {
		t.Errorf("after the flush: %v, marks %q", err, marksOf(t, s))
	}
}

// TestFailedFlush: after a flush that failed none succeeds, and the next writer learns it.
func TestFailedFlush(t *testing.T) {
	s := plain(t)
	if s.here().boot == "" {
		t.Skip("SKIPPED, and so it is not tested what a failed flush leaves: /proc says no boot ID")
	}
	for _, stores := range []bool{true, false} {
		writer := s.again(t)
		if stores {
			if _, _, err := writer.PutBytes(contents["small"]); err != nil {
				t.Fatal(err)
			}
		}
		broken := errors.New("input/output error")
		if err := writer.failFlush(broken); !errors.Is(err, broken) {
			t.Error(err)
		}
		if err := writer.Sync(); !errors.Is(err, broken) {
			t.Errorf("a later flush: %v", err)
		}
		if err := writer.Close(); err != nil || len(marksOf(t, s)) != 1 {
			t.Errorf("%v, marks %q", err, marksOf(t, s))
		}
		next := s.again(t)
		if _, stored, err := next.PutBytes(contents["small"]); !stored || err != nil {
			t.Errorf("the next writer: stored %v, %v", stored, err)
		}
		if err := errors.Join(next.Sync(), next.Close()); err != nil || len(marksOf(t, s)) != 1 {
			t.Errorf("%v, marks %q", err, marksOf(t, s))
		}
		if err := s.RemoveDeadMarks(); err != nil || marksOf(t, s) != nil {
			t.Errorf("%v, marks %q", err, marksOf(t, s))
		}
	}
}

// TestRemoveDeadMarks: those of living writers stay.
func TestRemoveDeadMarks(t *testing.T) {
	s := plain(t)
	s.left(t, "")
	writer := s.again(t)
	if _, _, err := writer.PutBytes(contents["small"]); err != nil {
		t.Fatal(err)
	}
	if got := marksOf(t, s); len(got) != 2 {
		t.Fatalf("marks %q", got)
	}
	if err := s.RemoveDeadMarks(); err != nil {
		t.Error(err)
	}
	if got := marksOf(t, s); len(got) != 1 || !strings.HasSuffix(writer.marks.name, got[0]) {
		t.Errorf("marks %q, want %s", got, writer.marks.name)
	}
}

// TestJudge: which objects are trusted, by the text of a mark.
func TestJudge(t *testing.T) {
	here, other, none := place{"b", "1"}, place{"b", "2"}, place{}
	for _, v := range []struct {
		here  place
		text  string
		lives bool
		want  trust
	}{
		{here, here.text(), false, trusted},
		{here, here.text(), true, trusted},
		{here, other.text(), false, doubted},
		{here, other.text(), true, trusted},
		{here, place{"c", "1"}.text(), false, doubted},
		{here, "", false, doubted},
		{here, here.text() + failedMark, false, distrusted},
		{here, here.text() + failedMark, true, distrusted},
		{here, other.text() + failedMark, false, distrusted},
		{here, place{"c", "1"}.text() + failedMark, false, doubted},
		{none, none.text(), false, doubted},
		{none, none.text(), true, trusted},
		{none, none.text() + failedMark, true, doubted},
		{place{"b", ""}, place{"b", ""}.text(), false, doubted},
	} {
		if got := v.here.judge(v.text, v.lives); got != v.want {
			t.Errorf("%s: got %v, want %v", fmt.Sprintf("%+v", v), got, v.want)
		}
	}
}
