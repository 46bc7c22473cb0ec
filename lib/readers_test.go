package lib

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
)

// TestFault9Readers: an error of a reader is not knowledge. Whatever reads something through a
// reader that it is given, at each read that can fail and with each error, fails with that
// error and calls nothing corrupt or missing (which it did of splitstreams, tars and EROFS
// headers); and where nothing fails, it succeeds.
func TestFault9Readers(t *testing.T) {
	some := []error{unix.EIO, errors.New("the disk is broken")}
	all := append(some, unix.EUCLEAN, unix.EBADMSG, unix.EMFILE, unix.ENOMEM, unix.EACCES, unix.EINTR, unix.ESTALE)
	for _, r := range readers(t) {
		t.Run(r.name, func(t *testing.T) {
			whole := &faulty{data: r.data}
			if err := r.read(whole); err != nil {
				t.Fatalf("nothing fails: %v", err)
			}
			for n := 1; n <= whole.reads; n++ {
				failures := some
				if n <= 3 {
					failures = all
				}
				for _, failure := range failures {
					in := &faulty{data: r.data, failAt: n, failure: failure}
					err := r.read(in)
					if !errors.Is(err, failure) || corrupt.IsDamage(err) {
						t.Errorf("read %d of %d fails with %q: got %v", n, whole.reads, failure, err)
					}
				}
			}
		})
	}
}

// faulty is a reader of data, a few bytes at once, of which one read fails.
type faulty struct {
	data          []byte
	at            int
	reads, failAt int
	failure       error
}

const fewBytes = 100

func (f *faulty) Read(p []byte) (int, error) {
	n, err := f.ReadAt(p[:min(len(p), fewBytes)], int64(f.at))
	f.at += n
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

func (f *faulty) ReadAt(p []byte, offset int64) (int, error) {
	if f.reads++; f.reads == f.failAt {
		return 0, f.failure
	}
	if offset >= int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.data[offset:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *faulty) Close() error { return nil }

// notReaders are the functions that take a reader and need no row, and why.
var notReaders = map[string]string{
	"terminal.IsDrawable":          "does not read",
	"terminal.Claim":               "does not read",
	"terminal.Columns":             "does not read",
	"terminal.Is":                  "does not read",
	"terminal.NameFor":             "does not read",
	"verity.Enable":                "does not read",
	"verity.Measure":               "does not read",
	"verity.Check":                 "does not read",
	"fd.ReadDir":                   "lists, and its errors are those of the system",
	"fd.Names":                     "lists, and its errors are those of the system",
	"fd.Use":                       "does not read",
	"flock.Take":                   "does not read",
	"mount.Mount":                  "does not read",
	"mount.NewFUSE":                "does not read",
	"mount.AttachFUSE":             "does not read",
	"fd.NewRoot":                   "does not read",
	"splitstream.NewWriter":        "reads back what it has written itself",
	"splitstream.NewPassingWriter": "reads back what it has written itself",
	"recipe.NewReader":             "hands on to tarsplit.NewReader",
	"objects.Clone":                "reads an object that it has made itself",
	"objects.ReadAll":              "reads files: the tests of cmd fail its calls",
	"build.Dumpfile":               "hands on to dumpfile.Read",
	"blob.DecompressWithin":        "is what blob.Decompress hands on to",
	"chunked.ReadFooter":           "reads bytes that are in memory or in a file of the spool",
	"chunked.WalkStargz":           "reads what chunked.ReadTOC reads",
	"incremental.Verify":           "hands on to splitstream.NewReader",
	"pull.Import":                  "hands on to oci.ImportLayer",
}

// TestAllReaders: each exported function that is given a reader is in one of the tables.
func TestAllReaders(t *testing.T) {
	listed := map[string]bool{}
	for _, r := range readers(t) {
		name, _, _ := strings.Cut(r.name, " ")
		listed[name] = true
	}
	found := map[string]bool{"tarball.Reader": true, "layer.Merger": true, "manifest.Find": true}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || strings.Contains(path, "internal") || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		for _, decl := range f.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if name := f.Name.Name + "." + nameOf(decl); ok && fn.Name.IsExported() && takesReader(fn) {
				found[name] = true
				if !listed[name] && notReaders[name] == "" {
					t.Errorf("%s: %s reads, and is in no table", path, name)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range notReaders {
		listed[name] = true
	}
	for name := range listed {
		if !found[name] {
			t.Errorf("%s is in a table, and there is no such function", name)
		}
	}
}

func nameOf(decl ast.Decl) string {
	if fn, ok := decl.(*ast.FuncDecl); ok {
		return fn.Name.Name
	}
	return ""
}

// takesReader reports whether a function has a parameter by which it can read.
func takesReader(fn *ast.FuncDecl) bool {
	return slices.ContainsFunc(fn.Type.Params.List, func(field *ast.Field) bool {
		var text bytes.Buffer
		ast.Inspect(field.Type, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if pkg, ok := sel.X.(*ast.Ident); ok {
					fmt.Fprintf(&text, "%s.%s ", pkg.Name, sel.Sel.Name)
				}
			}
			return true
		})
		return slices.ContainsFunc([]string{"io.Reader", "io.ReaderAt", "os.File", "tree.Content"}, func(s string) bool { return strings.Contains(text.String()+" ", s+" ") })
	})
}
