package layer_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"cfs/lib/corrupt"
	"cfs/lib/layer"
	"cfs/lib/splitstream"
	"cfs/lib/verity"
	"cfs/testdata/rawtar"
)

// cut says how a stream is cut: so many literal bytes, and then, if that is not 0, an
// object of so many bytes.
type cut struct{ literal, object int }

// recuts are tars that the reference cuts otherwise.
var recuts = []struct {
	name string
	tar  []byte
	cuts []cut // the reference's; what is left is literal
}{
	// The body that a link does not have hides a file.
	{"a small hidden file", rawtar.Tar(dir("usr/"), hidden(hardlink("usr/l", "usr/"), 65), file("usr/x", "x")), nil},
	{"a large hidden file", rawtar.Tar(dir("usr/"), hidden(symlink("usr/l", "x"), 300_000), file("usr/x", "x")), nil},
	{"a hidden file after an object", rawtar.Tar(file("a", large(100)), hidden(dir("d/"), 65)), []cut{{512, 100}}},
	// A directory of V7 has a body for it.
	{"a directory with a body", rawtar.Tar(file("a", ""), rawtar.Member{Name: "d/", Magic: rawtar.V7, Size: 100}, file("x", "x"), file("y", "")), []cut{{1024, 100}}},
	// A size that it does not see.
	{"an object of another size", rawtar.Tar(rawtar.PAX("size=200").As("ustar\x00  "), file("x", large(200)).With(124, "00000000144\x00")), []cut{{1536, 100}}},
	{"a size behind a NUL", rawtar.Tar(file("x", large(100)).With(124, "\x000000000144")), nil},
	// An end that it does not see.
	{"an object behind the end", append(rawtar.Tar(dir("d/").Sized(1024)), rawtar.Tar(file("x", large(100)))...), []cut{{512 + 1024 + 512, 100}}},
}

func large(size int) string { return strings.Repeat("some text, ", size/11+1)[:size] }

// hidden returns a member of a size that is that of a whole other one, which follows.
func hidden(m member, size int) member {
	inside := file("usr/hidden", large(size)).Bytes()
	m.Content = string(inside)
	return m
}

// cutAs returns the stream of a tar that is cut otherwise.
func (s *store) cutAs(t testing.TB, tar []byte, cuts []cut) []byte {
	w, err := splitstream.NewWriter(s.alg, splitstream.Layer, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, c := range cuts {
		w.Write(tar[:c.literal])
		tar = tar[c.literal:]
		if c.object > 0 {
			id, err := s.put(bytes.NewReader(tar), int64(c.object))
			if err != nil {
				t.Fatal(err)
			}
			w.WriteObject(id, uint64(c.object))
			tar = tar[c.object:]
		}
	}
	w.Write(tar)
	var file bytes.Buffer
	if err := w.Finish(&file); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// readMembers reads all members of a stream.
func readMembers(t *testing.T, file []byte) error {
	t.Helper()
	s, err := splitstream.NewReader(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r, err := layer.NewReader(s)
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, _, _, err := r.Next(); err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
	}
}

// TestCutError: a stream that was cut otherwise is found to be so, before its end is
// reached without an error.
func TestCutError(t *testing.T) {
	for _, c := range recuts {
		s := newStore(verity.SHA256)
		err := readMembers(t, s.cutAs(t, c.tar, c.cuts))
		if _, ok := errors.AsType[*layer.CutError](err); !ok || !corrupt.Is(err) {
			t.Errorf("%s: %v", c.name, err)
		}
		file, err := s.split(t, bytes.NewReader(c.tar))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if err := readMembers(t, file); err != nil {
			t.Errorf("%s, cut anew: %v", c.name, err)
		}
	}
}
