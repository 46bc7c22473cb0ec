package inspect_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/compare"
	"cfs/lib/corrupt"
	"cfs/lib/dumpfile"
	"cfs/lib/erofs"
	"cfs/lib/inspect"
	"cfs/lib/internal/repotest"
	"cfs/lib/repo"
	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

const (
	dumpA = "/ 0 40755 3 0 0 0 0.0 - - -\n/usr 0 40755 2 0 0 0 0.0 - - -\n/usr/a 3 100644 1 0 0 0 0.0 - abc -\n"
	dumpB = "/ 0 40755 3 0 0 0 0.0 - - -\n/usr 0 40755 2 0 0 0 0.0 - - -\n/usr/b 3 100644 1 0 0 0 0.0 - abc -\n"

	// Only mkcomposefs accepts it.
	dumpCompat = "/ 0 40755 3 0 0 0 0.0 - - -\n/usr 0 40755 2 0 0 0 0.0 - - -\n/usr/a 3 100644 1 0 0 0 0.0 - abc\n"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// imageOf returns the image of a dumpfile.
func imageOf(t *testing.T, dump string, f variant.Format) []byte {
	t.Helper()
	root, err := dumpfile.Read(strings.NewReader(dump), dumpfile.Options{})
	must(t, err)
	var out bytes.Buffer
	must(t, erofs.Write(&out, root, f))
	return out.Bytes()
}

// in opens operands in a repository and in the present folder, where there are files.
func in(t *testing.T, r *repo.Repo, files map[string]string) inspect.Operands {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, content := range files {
		must(t, os.MkdirAll(filepath.Dir(name), 0o755))
		must(t, os.WriteFile(name, []byte(content), 0o644))
	}
	o := inspect.Operands{RepoPath: func() (string, error) { return "", errors.New("no home") }}
	o.OpenRepo = func(bool) (*repo.Repo, error) { return nil, errors.New("no repository is used") }
	if r != nil {
		o.RepoPath = func() (string, error) { return r.Path, nil }
		o.OpenRepo = func(bool) (*repo.Repo, error) { return repo.Peek(r.Path) }
	}
	return o
}

// pulled returns a repository with a container image, tag "a/t", and its EROFS image.
func pulled(t *testing.T) (*repo.Repo, verity.ID) {
	t.Helper()
	r := repotest.New(t, verity.SHA256)
	layer := repotest.AddLayer(t, r, repotest.Dir("usr"), repotest.File("usr/a", "abc"))
	image := repotest.Pull(t, r, "a/t", repotest.Image{Layers: []repotest.Layer{layer}})
	blob := repotest.AddBlob(t, r, "x")
	repotest.Pull(t, r, "artifact", repotest.Image{Layers: []repotest.Layer{blob}, Artifact: true})
	return r, image.Config.Images[variant.Variant{Format: variant.V1}.Key()]
}

// dumped returns the dumpfile of the image that an operand names.
func dumped(t *testing.T, o inspect.Operands, name string) string {
	t.Helper()
	image, err := o.EROFS(name)
	must(t, err)
	var out strings.Builder
	must(t, inspect.Dump(&out, image, nil, false))
	return out.String()
}

// TestOperands: an image is opened by each of its names, and a file by its own. No repository
// is opened for a file.
func TestOperands(t *testing.T) {
	r, id := pulled(t)
	image := string(imageOf(t, dumpB, variant.V1))
	o := in(t, r, map[string]string{"file": image, "a/t": image, id.String(): image, "no": "This is no image."})
	for name, want := range map[string]string{"a/t": dumpA, id.String(): dumpA, id.String()[:12]: dumpA, "file": dumpB, "./a/t": dumpB, "./" + id.String(): dumpB} {
		if got := dumped(t, o, name); got != want {
			t.Errorf("%s:\n%s", name, got)
		}
	}
	for name, want := range map[string]struct {
		is   error
		says string
	}{
		"none": {fs.ErrNotExist, `tag "none": no such tag`}, "./none": {fs.ErrNotExist, "open ./none: no such file or directory"},
		"artifact": {fs.ErrNotExist, "artifact has no EROFS image of format 1"}, strings.Repeat("0", 64): {fs.ErrNotExist, "EROFS image: "},
	} {
		if _, err := o.EROFS(name); !errors.Is(err, want.is) || !strings.HasPrefix(err.Error(), want.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := o.EROFS("no"); !corrupt.Is(err) || !strings.HasPrefix(err.Error(), "no: ") {
		t.Errorf("no image: %v", err)
	}
	o = in(t, nil, map[string]string{"file": image})
	if got := dumped(t, o, "file"); got != dumpB {
		t.Errorf("without a repository:\n%s", got)
	}
	if _, err := o.EROFS("none"); err == nil || err.Error() != "no repository is used" {
		t.Errorf("without a repository: %v", err)
	}
	repotest.Stray(t, r, "streams/refs/oci/stray")
	o = in(t, r, map[string]string{"stray": dumpA})
	_, err := o.EROFS("stray")
	_, sideErr := o.Side("stray", false)
	if !corrupt.Is(err) || !corrupt.Is(sideErr) {
		t.Errorf("a tag that cannot be read: %v, %v", err, sideErr)
	}
}

// TestDiff: images and dumpfiles are told apart by their first bytes, and compared with one
// another.
func TestDiff(t *testing.T) {
	r, id := pulled(t)
	image, image2 := imageOf(t, dumpA, variant.V1), imageOf(t, dumpA, variant.V2)
	other := bytes.Clone(image)
	other[1100] ^= 0xff // of the volume's name
	o := in(t, r, map[string]string{
		"a": dumpA, "b": dumpB, "compat": dumpCompat, "image": string(image), "looks-like-a.dump": string(image), "image2": string(image2), "other": string(other),
		"broken.dump": "x", "empty.dump": "", "broken": "x",
	})
	for _, c := range []struct{ a, b, cause string }{
		{"a", "image", "equal"}, {"a", "image2", "equal"}, {"compat", "a", "equal"}, {"image", "looks-like-a.dump", "equal"}, {"a/t", id.String(), "equal"},
		{"image", "image2", "format 1 against 2, trees equal"}, {"a", "b", "2 differences"}, {"b", "image", "2 differences"}, {"a/t", "b", "2 differences"},
		{"image", "other", "trees and formats equal, images differ from byte 1100 on"}, {"a", "other", "equal"},
	} {
		differences := 0
		a, err := o.Side(c.a, true)
		must(t, err)
		b, err := o.Side(c.b, true)
		must(t, err)
		equal, cause, err := inspect.Diff(a, b, func(compare.Difference) error { differences++; return nil })
		must(t, err)
		switch {
		case c.cause == "equal" && (!equal || differences > 0 || cause != ""):
			t.Errorf("%s and %s: %d differences: %s", c.a, c.b, differences, cause)
		case c.cause == "2 differences" && (equal || differences != 2):
			t.Errorf("%s and %s: %d differences: %s", c.a, c.b, differences, cause)
		case c.cause != "equal" && c.cause != "2 differences" && (equal || cause != c.cause):
			t.Errorf("%s and %s: %s, want %s", c.a, c.b, cause, c.cause)
		}
	}
	for _, name := range []string{"compat", "broken.dump", "empty.dump", "broken", "./none", "."} {
		if _, err := o.Side(name, false); err == nil || !strings.HasPrefix(err.Error(), name+": ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"none", "artifact"} {
		if _, err := o.Side(name, false); err == nil {
			t.Errorf("%s was opened", name)
		}
	}
	a, err := o.Side("a", false)
	must(t, err)
	b, err := o.Side("b", false)
	must(t, err)
	stop := errors.New("stop")
	if equal, _, err := inspect.Diff(a, b, func(compare.Difference) error { return stop }); equal || !errors.Is(err, stop) {
		t.Errorf("the report's error: %v, %v", equal, err)
	}
}

// TestDump: what is written of an image, in each form.
func TestDump(t *testing.T) {
	const (
		root = "/ 0 40755 2 0 0 0 0.0 - - -\n"
		dir  = "/dir 0 40755 2 0 0 0 0.0 - - -\n/dir/file 3 100644 1 0 0 0 0.0 - abc -\n"
		big  = "/big 5000 100644 1 0 0 0 0.0 ab/" + "cdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcd" + " - abcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcd\n"
	)
	root3 := strings.Replace(root, " 2 ", " 3 ", 1)
	image, err := erofs.Open(imageOf(t, root3+big+dir, variant.V1))
	must(t, err)
	for want, names := range map[string][]string{root3 + big + dir: nil, root3 + dir: {"dir", "none"}, root + big: {"big"}, root: {"none"}} {
		var out strings.Builder
		must(t, inspect.Dump(&out, image, names, false))
		if out.String() != want {
			t.Errorf("%q:\n%s", names, out.String())
		}
	}
	var compat strings.Builder
	must(t, inspect.Dump(&compat, image, []string{"dir"}, true))
	if got := compat.String(); !strings.Contains(got, "/dir/file 3 100644 1 0 0 0 0.0 - abc -\n") || strings.Contains(got, "/big") || got == root3+dir {
		t.Errorf("in the form of composefs-info:\n%s", got)
	}
	wantLines(t, inspect.List{}.Write, image, "/\n/big\n/dir\n/dir/file\n")
	wantLines(t, inspect.Objects, image, strings.Repeat("abcd", 16)+"\n")
}

func wantLines(t *testing.T, write func(io.Writer, *erofs.Reader) error, image *erofs.Reader, want string) {
	t.Helper()
	var out strings.Builder
	must(t, write(&out, image))
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

// TestBroken: an image whose inodes are damaged opens, and no more.
func TestBroken(t *testing.T) {
	data := imageOf(t, dumpA, variant.V1)
	clear(data[1152:])
	image, err := erofs.Open(data)
	must(t, err)
	for what, look := range map[string]func(io.Writer, *erofs.Reader) error{
		"Paths": inspect.List{}.Write, "Objects": inspect.Objects,
		"Dump":         func(w io.Writer, image *erofs.Reader) error { return inspect.Dump(w, image, nil, false) },
		"Dump, compat": func(w io.Writer, image *erofs.Reader) error { return inspect.Dump(w, image, nil, true) },
	} {
		if err := look(io.Discard, image); !corrupt.Is(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestFind: a path leads where it would in the mounted image, and never out of it.
func TestFind(t *testing.T) {
	const dump = "/ 0 40755 3 0 0 0 0.0 - - -\n/dir 0 40755 2 0 0 0 0.0 - - -\n/dir/file 3 100644 1 0 0 0 0.0 - abc -\n" +
		"/dir/up 2 120777 1 0 0 0 0.0 ../../../dir - -\n/link 2 120777 1 0 0 0 0.0 /dir/file - -\n/loop 2 120777 1 0 0 0 0.0 loop - -\n"
	root, err := dumpfile.Read(strings.NewReader(dump), dumpfile.Options{})
	must(t, err)
	dir := root.Lookup("dir")
	file, link := dir.Lookup("file"), root.Lookup("link")
	for name, want := range map[string][2]*tree.Inode{
		"": {root, root}, "/": {root, root}, "dir": {dir, dir}, "/dir/": {dir, dir}, "/dir/./file": {file, file}, "//dir//../dir/file": {file, file},
		"link": {link, file}, "/dir/up": {dir.Lookup("up"), dir}, "/dir/up/": {dir, dir}, "/dir/up/up/up/file": {file, file}, "../..": {root, root},
		"none": {}, "dir/file/x": {}, "link/x": {}, "loop/x": {},
	} {
		for i, follow := range []bool{false, true} {
			if got, err := inspect.Find(root, name, follow); got != want[i] || (err == nil) != (want[i] != nil) {
				t.Errorf("%q, follow %v: %v, %v", name, follow, got, err)
			}
		}
	}
	if _, err := inspect.Find(root, "loop", true); !errors.Is(err, unix.ELOOP) {
		t.Errorf("a loop: %v", err)
	}
}
