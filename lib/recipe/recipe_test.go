package recipe_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"

	"cfs/lib/corrupt"
	"cfs/lib/fd"
	"cfs/lib/internal/repotest"
	"cfs/lib/recipe"
)

// join puts a tar together.
func join(r *recipe.Reader) ([]byte, error) {
	var out bytes.Buffer
	for {
		p, err := r.Next()
		if err == io.EOF {
			return out.Bytes(), nil
		}
		if err != nil {
			return nil, err
		}
		out.Write(p.Bytes)
		if p.File == nil {
			continue
		}
		_, err = io.Copy(io.MultiWriter(&out, p.File.Sum()), p.File.File)
		if err := errors.Join(err, p.File.Check(), p.File.File.Close()); err != nil {
			return nil, err
		}
	}
}

func sample(t testing.TB) (tar, lines []byte, dir *fd.Root) {
	t.Helper()
	tar = repotest.Tar(t, repotest.Dir("usr"), repotest.File("usr/a", "content"), repotest.File("./usr/b", repotest.Text("b", 5000)), repotest.File("empty", ""))
	path := t.TempDir()
	lines = repotest.TarSplit(t, tar, path)
	dir, err := fd.OpenRoot(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return tar, lines, dir
}

// TestJoin: a tar that was taken apart is put together as it was.
func TestJoin(t *testing.T) {
	tar, lines, dir := sample(t)
	got, err := join(recipe.NewReader(bytes.NewReader(lines), []*fd.Root{dir}))
	if err != nil || !bytes.Equal(got, tar) {
		t.Errorf("%d bytes, want %d, %v", len(got), len(tar), err)
	}
}

// TestCheck: a file whose checksum is another one is named.
func TestCheck(t *testing.T) {
	_, lines, dir := sample(t)
	if err := os.WriteFile(dir.Name()+"/usr/a", []byte("CONTENT"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := join(recipe.NewReader(bytes.NewReader(lines), []*fd.Root{dir}))
	if !corrupt.Is(err) || !strings.Contains(err.Error(), dir.Name()+"/usr/a") {
		t.Error(err)
	}
}

// FuzzReader: whatever a recipe says, no file but those in the folder is opened, and errors are about the recipe or about
// what is missing.
func FuzzReader(f *testing.F) {
	_, lines, dir := sample(f)
	f.Add(string(lines))
	for _, name := range []string{"usr/a", "../a", "usr/../usr/a", "/usr/a", "", ".", "usr", "usr/a/b", "a\x00b", strings.Repeat("a", 300), strings.Repeat("a/", 3000)} {
		f.Add(`{"type":1,"name":"` + name + `","size":7}`)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := recipe.NewReader(strings.NewReader(text), []*fd.Root{dir})
		for {
			p, err := r.Next()
			if err == io.EOF {
				return
			}
			if err != nil {
				if p.File != nil {
					t.Error("a file besides an error")
				}
				if !corrupt.Is(err) && !errors.Is(err, fs.ErrNotExist) && !isName(err) {
					t.Errorf("not marked: %v", err)
				}
				return
			}
			if p.File == nil {
				continue
			}
			if !strings.HasPrefix(p.File.File.Name(), dir.Name()+"/") || p.File.Size <= 0 {
				t.Errorf("%s of %d bytes", p.File.File.Name(), p.File.Size)
			}
			p.File.File.Close()
		}
	})
}

// isName reports whether an error is that of the system about a name that is too long.
func isName(err error) bool { return strings.Contains(err.Error(), "file name too long") }
