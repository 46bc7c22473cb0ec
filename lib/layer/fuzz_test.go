package layer_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"testing"

	"cfs/lib/layer"
	"cfs/lib/splitstream"
	"cfs/lib/tolerance"
	"cfs/lib/verity"
	"cfs/testdata/rawtar"
	"cfs/testdata/wild"
)

// archive makes a tar that has one member of many kinds.
func archive(t testing.TB, format tar.Format) []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	long := string(bytes.Repeat([]byte("long/"), 40))
	for _, h := range []tar.Header{
		{Typeflag: tar.TypeDir, Name: "usr/", Mode: 0o755},
		{Typeflag: tar.TypeReg, Name: "usr/small", Size: 3},
		{Typeflag: tar.TypeReg, Name: "usr/large", Size: 100},
		{Typeflag: tar.TypeDir, Name: "usr/lib/", Mode: 0o755},
		{Typeflag: tar.TypeSymlink, Name: "lib", Linkname: "usr/lib"},
		{Typeflag: tar.TypeReg, Name: "lib/x"},
		{Typeflag: tar.TypeLink, Name: "usr/hard", Linkname: "usr/large"},
		{Typeflag: tar.TypeChar, Name: "usr/null", Devmajor: 1, Devminor: 3},
		{Typeflag: tar.TypeReg, Name: "usr/.wh.small"},
		{Typeflag: tar.TypeReg, Name: long + "name"},
	} {
		h.Format = format
		if format == tar.FormatPAX {
			h.PAXRecords = map[string]string{"SCHILY.xattr.user.a": "b"}
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		w.Write(make([]byte, h.Size))
	}
	w.Close()
	return out.Bytes()
}

// FuzzLayer: what is split can be joined to what it was, and read; merging it fails or
// gives a tree, whatever it is.
func FuzzLayer(f *testing.F) {
	for _, format := range []tar.Format{tar.FormatGNU, tar.FormatPAX} {
		f.Add(archive(f, format))
	}
	f.Add(make([]byte, 1024))
	for _, c := range whiteouts {
		f.Add(rawtar.Tar(c.layer...))
	}
	for _, c := range recuts {
		f.Add(c.tar)
	}
	for _, data := range wild.Tars() {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := newStore(verity.SHA256)
		file, err := s.split(t, bytes.NewReader(data))
		if err != nil {
			return
		}
		open := func() *splitstream.Reader {
			r, err := splitstream.NewReader(bytes.NewReader(file), int64(len(file)))
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		r := open()
		defer r.Close()
		var back bytes.Buffer
		if _, err := r.Join(&back, s.open); err != nil || !bytes.Equal(back.Bytes(), data) {
			t.Fatalf("%d bytes came back of %d: %v", back.Len(), len(data), err)
		}
		for _, strict := range []bool{true, false} {
			r := open()
			g := layer.Merger{Rules: tolerance.Strict(strict)}
			err := g.Add(r)
			if err == nil {
				_, err = g.Tree()
			}
			if _, ok := errors.AsType[*layer.CutError](err); ok {
				t.Fatalf("what was split cannot be read: %v", err)
			}
			r.Close()
		}
	})
}

// FuzzMerge: a splitstream that nobody split, as a forger would make it.
func FuzzMerge(f *testing.F) {
	data := archive(f, tar.FormatPAX)
	f.Add(data, uint16(1536))
	for _, c := range recuts {
		f.Add(c.tar, uint16(1024))
	}
	for _, data := range wild.Tars() {
		f.Add(data, uint16(1536))
	}
	f.Fuzz(func(t *testing.T, data []byte, at uint16) {
		var file bytes.Buffer
		w, err := splitstream.NewWriter(verity.SHA256, splitstream.Layer, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		n := min(int(at), len(data), 1<<19)
		w.Write(data[:n])
		w.WriteObject(verity.SHA256.Sum(nil), 0)
		w.Write(data[n:min(len(data), 1<<19+n)])
		if err := w.Finish(&file); err != nil {
			t.Fatal(err)
		}
		r, err := splitstream.NewReader(bytes.NewReader(file.Bytes()), int64(file.Len()))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		g := layer.Merger{}
		if g.Add(r) == nil {
			g.Tree()
		}
	})
}
