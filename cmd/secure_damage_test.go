package cmd

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
	"cfs/lib/verity"
)

// damages make of an object what is not the object any more.
var damages = []struct {
	name    string
	change  func(string) string
	protect verity.Algorithm // 0 for not at all
}{
	{"without fs-verity", func(s string) string { return s }, 0},
	{"other content", strings.ToUpper, verity.SHA256},
	{"other content, longer digest", strings.ToUpper, verity.SHA512},
	{"other size", func(s string) string { return s[1:] }, 0},
}

// damage puts one of damages in the place of an object.
func damage(t *testing.T, path string, how int) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d := damages[how]
	if err := errors.Join(os.Remove(path), os.WriteFile(path, []byte(d.change(string(data))), 0o644)); err != nil {
		t.Fatal(err)
	}
	if d.protect == 0 {
		return
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := verity.Enable(f, d.protect); err != nil {
		t.Fatal(err)
	}
}

// heal heals each damage by itself in a long test. In a short one all are healed
// together, after the last one.
func (s *secureRepo) heal(t *testing.T, how func(*testing.T)) {
	t.Helper()
	if cmdtest.Long() {
		how(t)
	}
}

// pulledAgain checks that a pull makes all whole.
func (s *secureRepo) pulledAgain(t *testing.T) {
	t.Helper()
	if got := must(t, s.repo, s.code); got != s.records {
		t.Errorf("pulled again, it prints\n%s\nwant\n%s", got, s.records)
	}
	wantProtected(t, s.repo, s.alg)
	s.sound(t, s.repo)
}

// repaired checks that a repair finds damage, and that a pull makes all whole then.
func (s *secureRepo) repaired(t *testing.T) {
	t.Helper()
	if r := shell(t, s.repo, "cfs-gc check --repair"); r.Status != 4 {
		t.Errorf("repair: exit status %d\n%s%s", r.Status, r.Stdout, r.Stderr)
	}
	s.pulledAgain(t)
}

// damagedObjects: a file whose object is damaged cannot be opened, and the check tells.
// A pull, which does not look at the files of layers that are there, puts the right object
// in its place after a repair.
func (s *secureRepo) damagedObjects(t *testing.T) {
	s.damageObjects(t, "")
	s.heal(t, s.repaired)
}

// importedObjects: importing a layer puts right objects in the place of damaged ones.
func (s *secureRepo) importedObjects(t *testing.T) {
	s.damageObjects(t, "--require-verity ")
	for i := range 3 {
		must(t, s.repo, "cfs-import --progress none "+layerTar(t, i))
	}
	s.pulledAgain(t)
}

// damageObjects damages files in all ways, and checks what a mount with an option and
// the check make of them.
func (s *secureRepo) damageObjects(t *testing.T, option string) {
	t.Helper()
	files := []string{"/usr/file0", "/usr/file1", "/usr/file2", "/usr/same"}
	for how, file := range files {
		damage(t, s.repo+"/objects/"+objectOf(t, s.dump, file), how)
	}
	dir := mounted(t, s.repo, option+tagName)
	check := shell(t, s.repo, "cfs-gc check")
	if check.Status != 4 {
		t.Errorf("check: exit status %d", check.Status)
	}
	for how, file := range files {
		if _, err := os.ReadFile(dir + file); !errors.Is(err, unix.EIO) {
			t.Errorf("%s: reading the file: got %v, want EIO", damages[how].name, err)
		}
		if object := "objects/" + objectOf(t, s.dump, file); !strings.Contains(check.Stdout, object) {
			t.Errorf("%s: the check does not tell %s:\n%s", damages[how].name, object, check.Stdout)
		}
	}
	unmount(t, dir)
}

// damagedImage: an EROFS image that is damaged is not mounted; pulling again heals it.
func (s *secureRepo) damagedImage(t *testing.T) {
	path, id := s.image(t)
	for how, d := range damages {
		damage(t, path, how)
		for i, args := range []string{tagName, "--require-verity " + id.String()} {
			if i != how%2 && !cmdtest.Long() {
				continue
			}
			wantError(t, shell(t, s.repo, "cfs-mount "+args+" "+t.TempDir()), 4, id.String())
		}
		if t.Failed() {
			t.Fatal(d.name)
		}
	}
	s.heal(t, s.pulledAgain)
}

// image returns the path and the digest of the EROFS image.
func (s *secureRepo) image(t *testing.T) (string, verity.ID) {
	t.Helper()
	id, err := verity.ParseID(s.digest(t, "image"))
	if err != nil {
		t.Fatal(err)
	}
	return s.repo + "/objects/" + id.ObjectPath(), id
}

// damagedStreams: pulling again heals the streams of a layer, config and manifest.
func (s *secureRepo) damagedStreams(t *testing.T) {
	first, _, _ := strings.Cut(s.records, "\n")
	for how, name := range []string{
		"oci-layer-" + parseRecord(t, first).Get("diff-id"),
		"oci-config-" + s.digest(t, "config"),
		"oci-manifest-" + s.digest(t, "manifest"),
	} {
		path, err := filepath.EvalSymlinks(s.repo + "/streams/" + name)
		if err != nil {
			t.Fatal(err)
		}
		damage(t, path, how)
	}
	s.heal(t, s.pulledAgain)
}

// anotherImage: an image that is whole is not mounted under the digest of another.
func (s *secureRepo) anotherImage(t *testing.T) {
	path, id := s.image(t)
	other := t.TempDir()
	imagetest.Make(t, other, imagetest.SmallLayers(t)[:1]...)
	records := pulled{records: must(t, s.repo, "cfs-pull oci:"+other+" other && cfs-link untag other")}
	another, err := verity.ParseID(records.digest(t, "image"))
	if err != nil || another == id {
		t.Fatal(another, err)
	}
	must(t, s.repo, "cd $COMPOSEFS_REPO/objects && ln -f "+another.ObjectPath()+" "+id.ObjectPath())
	wantError(t, shell(t, s.repo, "cfs-mount "+tagName+" "+t.TempDir()), 4, id.String())
	must(t, s.repo, "rm "+path)
	s.heal(t, s.pulledAgain)
	must(t, s.repo, "cd $COMPOSEFS_REPO/images && ln -sf ../objects/"+another.ObjectPath()+" "+id.String())
	wantError(t, shell(t, s.repo, "cfs-mount "+tagName+" "+t.TempDir()), 4, id.String())
	s.heal(t, s.pulledAgain)
}

// objectOf returns the path below objects/ of a file in a dumpfile.
func objectOf(t *testing.T, dump, file string) string {
	t.Helper()
	for line := range strings.Lines(dump) {
		// PATH SIZE MODE NLINK UID GID RDEV MTIME PAYLOAD CONTENT DIGEST
		if field := strings.Fields(line); field[0] == file {
			return field[8]
		}
	}
	t.Fatalf("no %s in\n%s", file, dump)
	return ""
}

// layerTar writes the tar of one of the small layers.
func layerTar(t *testing.T, n int) string {
	t.Helper()
	name := t.TempDir() + "/tar"
	if err := os.WriteFile(name, imagetest.SmallLayers(t)[n], 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}
