package pull

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/internal/repotest"
	"cfs/lib/repo"
	"cfs/lib/temporary"
)

// taken is a layer that was taken apart.
type taken struct {
	tar    []byte
	diffID digest.Digest
	split  string // the file of tar-split
	dir    string // the folder of its files
}

func takeApart(t *testing.T) taken {
	t.Helper()
	tar := repotest.Tar(t, repotest.Dir("usr"), repotest.File("usr/a", repotest.Text("a", 100)), repotest.File("usr/small", "small"),
		repotest.File("usr/large", repotest.Text("large", 1<<20)), repotest.File("empty", ""))
	dir := t.TempDir()
	return taken{tar, digest.FromBytes(tar), file(t, repotest.TarSplit(t, tar, dir)), dir}
}

// line returns the record.
func (l taken) line(dirs string) string {
	return fmt.Sprintf("layer %s diff-id=%s form=tar-split path=%s dirs=%s", none, l.diffID, l.split, dirs)
}

// TestTarSplit: a layer that was taken apart is stored as its tar is, whatever it is compressed with, also if some
// files are in the folder of another layer.
func TestTarSplit(t *testing.T) {
	l := takeApart(t)
	plain := newRepo(t)
	if _, err := importing(t, plain, "layer - path="+file(t, l.tar)); err != nil {
		t.Fatal(err)
	}
	want := streamOf(t, plain, l.diffID)
	text, err := os.ReadFile(l.split)
	if err != nil {
		t.Fatal(err)
	}
	other := t.TempDir()
	if err := errors.Join(os.Mkdir(other+"/usr", 0o755), os.Rename(l.dir+"/usr/large", other+"/usr/large")); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"plain": text, "gzip": repotest.Gzip(t, text), "zstd": repotest.Zstd(t, text)} {
		l.split = file(t, data)
		r := newRepo(t)
		got, err := importing(t, r, l.line(l.dir+":"+other))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if streamOf(t, r, l.diffID) != want {
			t.Errorf("%s: another stream", name)
		}
		wantLines(t, got, fmt.Sprintf("layer %s diff-id=%s stream=%s proved=diff-id", none, l.diffID, want))
	}
}

// TestTarSplitHostile: what is not the layer, or not below its folder, is refused, and not waited for; nothing is named.
func TestTarSplitHostile(t *testing.T) {
	change := func(do func(path string) error) func(*testing.T, *taken) {
		return func(t *testing.T, l *taken) {
			if err := do(l.dir + "/usr/a"); err != nil {
				t.Fatal(err)
			}
		}
	}
	replaced := func(do func(path string) error) func(*testing.T, *taken) {
		return change(func(path string) error { return errors.Join(os.Remove(path), do(path)) })
	}
	lines := func(old, new string) func(*testing.T, *taken) {
		return func(t *testing.T, l *taken) {
			text, err := os.ReadFile(l.split)
			if err != nil || !strings.Contains(string(text), old) {
				t.Fatal(err)
			}
			l.split = file(t, []byte(strings.Replace(string(text), old, new, 1)))
		}
	}
	for name, v := range map[string]struct {
		do   func(*testing.T, *taken)
		is   func(error) bool
		want string
	}{
		"changed":   {change(func(p string) error { return os.WriteFile(p, []byte(repotest.Text("b", 100)), 0o644) }), corrupt.Is, "was changed"},
		"shorter":   {change(func(p string) error { return os.Truncate(p, 99) }), corrupt.Is, "has 99 bytes"},
		"longer":    {change(func(p string) error { return os.Truncate(p, 101) }), corrupt.Is, "has 101 bytes"},
		"missing":   {change(os.Remove), temporary.Is, `"usr/a"`},
		"link":      {replaced(func(p string) error { return os.Symlink("large", p) }), corrupt.Is, "behind a link"},
		"link out":  {replaced(func(p string) error { return os.Symlink("/etc/passwd", p) }), corrupt.Is, "behind a link"},
		"FIFO":      {replaced(func(p string) error { return unix.Mkfifo(p, 0o644) }), corrupt.Is, "not a regular file"},
		"directory": {replaced(func(p string) error { return os.Mkdir(p, 0o755) }), corrupt.Is, "not a regular file"},
		"folder link": {change(func(p string) error {
			d := filepath.Dir(p)
			return errors.Join(os.Rename(d, d+"2"), os.Symlink("usr2", d))
		}), corrupt.Is, "behind a link"},
		"above":        {lines(`"usr/a"`, `"usr/../usr/a"`), corrupt.Is, "outside"},
		"outside":      {lines(`"usr/a"`, `"../usr/a"`), corrupt.Is, "outside"},
		"no name":      {lines(`"usr/a"`, `"/"`), corrupt.Is, "not the name"},
		"other size":   {lines(`"size":100`, `"size":101`), corrupt.Is, "has 100 bytes"},
		"huge":         {lines(`"size":100`, `"size":9223372036854775000`), corrupt.Is, "bytes"},
		"other header": {lines(`"payload":"dXNy`, `"payload":"dXNz`), corrupt.Is, ""},
		"no JSON":      {lines("{", "["), corrupt.Is, "tar-split"},
		"no folder":    {func(_ *testing.T, l *taken) { l.dir += "/nowhere" }, temporary.Is, "nowhere"},
		"colon":        {func(_ *testing.T, l *taken) { l.dir += ":b" }, nil, "colon"},
		"relative":     {func(_ *testing.T, l *taken) { l.dir = "usr" }, nil, "absolute"},
		"many":         {func(_ *testing.T, l *taken) { l.dir += strings.Repeat(":/", maxFolders) }, nil, "at most"},
	} {
		t.Run(name, func(t *testing.T) {
			l, r := takeApart(t), newRepo(t)
			v.do(t, &l)
			got, err := importing(t, r, l.line(l.dir))
			wantError(t, err, v.want)
			if err != nil && (v.is != nil && !v.is(err) || v.is == nil && (corrupt.Is(err) || temporary.Is(err))) {
				t.Errorf("of another kind: %v", err)
			}
			if names, err := r.Names(repo.Streams); err != nil || len(names) > 0 || got != nil {
				t.Errorf("names %s, records %q, %v", names, got, err)
			}
		})
	}
}

// TestTarSplitStub: a file that has metadata alone is looked for in the next folder.
func TestTarSplitStub(t *testing.T) {
	l, r := takeApart(t), newRepo(t)
	upper := t.TempDir()
	stub := upper + "/usr/a"
	if err := errors.Join(os.Mkdir(upper+"/usr", 0o755), os.WriteFile(stub, make([]byte, 100), 0o644)); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setxattr(stub, "user.overlay.metacopy", nil, 0); err != nil {
		t.Skipf("SKIPPED: no such extended attributes here: %v", err)
	}
	if _, err := importing(t, r, l.line(upper+":"+l.dir)); err != nil {
		t.Error(err)
	}
}

const storeVectors = "../../../shared/vectors/moving/"

// TestTarSplitVectors: the layers of what buildah and skopeo have stored come out with their diff IDs.
func TestTarSplitVectors(t *testing.T) {
	for _, name := range []string{"store-built.tar.gz", "store-pulled.tar.gz"} {
		archive, err := filepath.Abs(storeVectors + name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(archive); err != nil {
			t.Skipf("SKIPPED: the vectors are not here: %v", err)
		}
		store := t.TempDir()
		if out, err := exec.Command("tar", "-C", store, "--exclude=*/lost", "-xzf", archive).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		var layers []struct {
			ID     string        `json:"id"`
			DiffID digest.Digest `json:"diff-digest"`
		}
		text, err := os.ReadFile(store + "/overlay-layers/layers.json")
		if err == nil {
			err = json.Unmarshal(text, &layers)
		}
		if err != nil || len(layers) == 0 {
			t.Fatalf("%s: %v", name, err)
		}
		r := newRepo(t)
		for _, l := range layers {
			line := fmt.Sprintf("layer %s diff-id=%s form=tar-split path=%s/overlay-layers/%s.tar-split.gz dirs=%[3]s/overlay/%[4]s/diff", none, l.DiffID, store, l.ID)
			if _, err := importing(t, r, line); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			streamOf(t, r, l.DiffID)
		}
	}
}
