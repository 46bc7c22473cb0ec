package cmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/trap"
	"cfs/lib/verity"
)

// TestInVM runs the tests of secure repositories in a virtual machine whose kernel has
// fs-verity, and is not the newest; in a long test also others that mount.
func TestInVM(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("SKIPPED: -short, and so secure repositories are not tested")
	}
	const script = "../scripts/verity-vm"
	if out, err := exec.Command(script, "--prepare").CombinedOutput(); err != nil {
		t.Skipf("SKIPPED, and so secure repositories are not tested: %s --prepare: %v\n%s", script, err, out)
	}
	share, tests := t.TempDir(), []string{"TestSecure", "TestInsecureAnyway", "TestInitWithoutVerity"}
	if cmdtest.Soak(0, 1) == 1 {
		tests = append(tests, "TestSecureKilled", "TestMount", "TestMountReadWrite", "TestMountKeeps")
	}
	must(t, "", "cp -r "+cmdtest.Tools(t)+" "+share+"/tools && CGO_ENABLED=0 go test -c -o "+share+"/cmd.test .")
	// A second CPU, which is emulated too, makes it slower.
	vm := exec.Command(script, "--share", share, "--cpus", "1", "--timeout", "900", "--env", cmdtest.ToolsEnv+"=/share/tools", "--env", "TMPDIR=/scratch", "--env", "CFS_SOAK="+os.Getenv("CFS_SOAK"),
		"--", "/share/cmd.test", "-test.v", "-test.run", "^("+strings.Join(tests, "|")+")$")
	r := cmdtest.Run(t, vm)
	t.Logf("in the virtual machine: exit status %d\n%s%s", r.Status, r.Stdout, r.Stderr)
	if r.Status != 0 {
		t.Error("a test failed there")
	}
	for _, name := range tests {
		if !strings.Contains(r.Stdout, "--- PASS: "+name+" ") {
			t.Errorf("%s did not pass there", name)
		}
	}
}

// needVerity returns a folder whose file system has fs-verity, or skips the test.
func needVerity(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	name := dir + "/file"
	must(t, "", "echo x > "+name)
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := verity.Enable(f, verity.SHA256); errors.Is(err, verity.ErrUnsupported) {
		t.Skipf("SKIPPED: %s: %v", dir, err)
	} else if err != nil {
		t.Fatal(err)
	}
	return dir
}

// secure pulls an image into a new secure repository.
func secure(t *testing.T, a verity.Algorithm) (p pulled, repo string) {
	t.Helper()
	repo = needVerity(t) + "/repo"
	p = undisturbed(t, imagetest.SmallLayers(t), "--algorithm", a.String())
	p.code = strings.Replace(p.code, "--insecure ", "", 1)
	if got := must(t, repo, p.code); got != p.records {
		t.Errorf("in a secure repository other records come:\n%s\nthan in an insecure one:\n%s", got, p.records)
	}
	return p, repo
}

// TestSecure makes a secure repository, damages it in all ways and heals it.
func TestSecure(t *testing.T) {
	for _, a := range []verity.Algorithm{verity.SHA256, verity.SHA512} {
		t.Run(a.Name(), func(t *testing.T) {
			p, repo := secure(t, a)
			s := secureRepo{p, repo, a}
			t.Run("whole", s.whole)
			t.Run("damaged objects", s.damagedObjects)
			if a == verity.SHA256 && cmdtest.Soak(0, 1) == 0 {
				return
			}
			t.Run("damaged image", s.damagedImage)
			t.Run("damaged streams", s.damagedStreams)
			t.Run("another image", s.anotherImage)
			wantNothing(t, repo)
		})
	}
}

// secureRepo is a secure repository into which an image was pulled.
type secureRepo struct {
	pulled
	repo string
	alg  verity.Algorithm
}

// whole: of each object the kernel measures the digest that it is named by, and under
// verity=require all files can be read.
func (s *secureRepo) whole(t *testing.T) {
	wantProtected(t, s.repo, s.alg)
	if id, err := measure(s.repo + "/meta.json"); err != nil || id.Algorithm() != s.alg {
		t.Errorf("meta.json: %s, %v", id, err)
	}
	s.sound(t, s.repo)
	image := s.digest(t, "image")
	for option, mark := range map[string]string{"": "", "--insecure ": "?"} {
		want := "composefs.digest=" + mark + "v1-" + s.alg.Name() + "-12:" + image + "\n"
		if got := must(t, s.repo, "cfs-mkerofs karg "+option+image); got != want {
			t.Errorf("karg %s: got %swant %s", option, got, want)
		}
	}
	dir := mounted(t, s.repo, "--require-verity "+tagName)
	if got := dumpMounted(t, dir, s.alg); got != s.dump {
		t.Errorf("got\n%s\nwant\n%s", got, s.dump)
	}
}

func measure(name string) (verity.ID, error) {
	f, err := os.Open(name)
	if err != nil {
		return verity.ID{}, err
	}
	defer f.Close()
	return verity.Measure(f)
}

// wantProtected checks all objects of a repository.
func wantProtected(t *testing.T, repo string, a verity.Algorithm) {
	t.Helper()
	count := 0
	err := filepath.WalkDir(repo+"/objects", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		count++
		want, ok := verity.ParseObjectPath(strings.TrimPrefix(path, repo+"/objects/"))
		if id, err := measure(path); !ok || err != nil || id != want || id.Algorithm() != a {
			t.Errorf("%s: measured %s, %v", path, id, err)
		}
		return nil
	})
	if err != nil || count == 0 {
		t.Errorf("%d objects, %v", count, err)
	}
}

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

// healed pulls, after which all is whole.
func (s *secureRepo) healed(t *testing.T) {
	t.Helper()
	if got := must(t, s.repo, s.code); got != s.records {
		t.Errorf("pulled again, it prints\n%s\nwant\n%s", got, s.records)
	}
	wantProtected(t, s.repo, s.alg)
	s.sound(t, s.repo)
}

// damagedObjects: a file whose object is damaged cannot be opened, and the check tells.
// Importing the layer puts the right object in its place; a pull, which does not look at
// the files of layers that are there, does so after a repair.
func (s *secureRepo) damagedObjects(t *testing.T) {
	files := []string{"/usr/file0", "/usr/file1", "/usr/file2", "/usr/same"}
	for option, heal := range map[string]func(){
		"--require-verity ": func() {
			for i := range 3 {
				must(t, s.repo, "cfs-import --progress none "+layerTar(t, i))
			}
		},
		"": func() {
			if r := shell(t, s.repo, "cfs-gc check --repair"); r.Status != 4 {
				t.Errorf("repair: exit status %d\n%s%s", r.Status, r.Stdout, r.Stderr)
			}
		},
	} {
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
		heal()
		s.healed(t)
	}
}

// damagedImage: an EROFS image that is damaged is not mounted; pulling again heals it.
func (s *secureRepo) damagedImage(t *testing.T) {
	path, id := s.image(t)
	for how, d := range damages {
		damage(t, path, how)
		for _, args := range []string{tagName, "--require-verity " + id.String()} {
			wantError(t, shell(t, s.repo, "cfs-mount "+args+" "+t.TempDir()), 4, id.String())
		}
		if t.Failed() {
			t.Fatal(d.name)
		}
	}
	s.healed(t)
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
	s.healed(t)
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
	s.healed(t)
	must(t, s.repo, "cd $COMPOSEFS_REPO/images && ln -sf ../objects/"+another.ObjectPath()+" "+id.String())
	wantError(t, shell(t, s.repo, "cfs-mount "+tagName+" "+t.TempDir()), 4, id.String())
	s.healed(t)
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

// TestInsecureAnyway: what is made with --insecure is insecure, also where it need not.
func TestInsecureAnyway(t *testing.T) {
	repo := needVerity(t) + "/repo"
	p := undisturbed(t, imagetest.SmallLayers(t))
	must(t, repo, p.code)
	if id, err := measure(repo + "/meta.json"); err != verity.ErrNotEnabled {
		t.Errorf("meta.json is protected: %s, %v", id, err)
	}
	wantError(t, shell(t, repo, "cfs-mount --require-verity "+tagName+" "+t.TempDir()), 1, "not protected")
	// But what can be is protected.
	wantProtected(t, repo, verity.SHA512)
	if got := dumpMounted(t, mounted(t, repo, tagName), verity.SHA512); got != p.dump {
		t.Errorf("got\n%s\nwant\n%s", got, p.dump)
	}
}

// TestInitWithoutVerity: without --insecure nothing is made where there is no fs-verity.
func TestInitWithoutVerity(t *testing.T) {
	dir := cmdtest.Scratch(t)
	must(t, "", "mkdir "+dir+"/empty && echo x > "+dir+"/file")
	if _, err := measure(dir + "/file"); err != verity.ErrUnsupported {
		t.Skipf("SKIPPED: there may be fs-verity in %s: %v", dir, err)
	}
	for _, repo := range []string{dir + "/new", dir + "/empty"} {
		r := shell(t, repo, "cfs-import --init < /dev/null")
		wantError(t, r, 1, "cfs-import: init repository "+repo+": the file system has no fs-verity", "--insecure")
	}
	if got, want := must(t, "", "cd "+dir+" && find . | sort"), ".\n./empty\n./file\n"; got != want {
		t.Errorf("there is\n%s\nwant\n%s", got, want)
	}
}

// TestSecureKilled is TestKillAtEachCall for a secure repository.
func TestSecureKilled(t *testing.T) {
	p, _ := secure(t, verity.SHA256)
	calls := p.countCalls(t, needVerity(t)+"/repo", trap.Any)
	for i, n := range cmdtest.Sample(calls, 25) {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			repo := t.TempDir() + "/repo"
			trapped(t, repo, p.code, trap.From(n, trap.Kill))
			p.recovers(t, repo, i)
		})
	}
}
