package cmd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/trap"
	"cfs/lib/verity"
)

// needVerity returns a folder whose file system has fs-verity, or skips the test.
func needVerity(t *testing.T) string {
	t.Helper()
	cmdtest.Slow(t)
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

// secureRepo is a secure repository into which an image was pulled.
type secureRepo struct {
	pulled
	repo string
	alg  verity.Algorithm
}

// newSecureRepo makes one of the small layers.
func newSecureRepo(t *testing.T, a verity.Algorithm) *secureRepo {
	t.Helper()
	repo := needVerity(t) + "/repo"
	return &secureRepo{pulledInto(t, repo, imagetest.SmallLayers(t), "--algorithm", a.String()), repo, a}
}

// TestSecure makes a secure repository, damages it in all ways and heals it. A short test
// damages one of two.
func TestSecure(t *testing.T) {
	for _, a := range []verity.Algorithm{verity.SHA256, verity.SHA512} {
		t.Run(a.Name(), func(t *testing.T) {
			s := newSecureRepo(t, a)
			t.Run("whole", s.whole)
			if a == verity.SHA256 && !cmdtest.Long() {
				return
			}
			t.Run("as an insecure one", s.asInsecure)
			t.Run("damaged objects", s.damagedObjects)
			t.Run("damaged image", s.damagedImage)
			t.Run("another image", s.anotherImage)
			t.Run("damaged streams", s.damagedStreams)
			if cmdtest.Long() {
				t.Run("imported objects", s.importedObjects)
			} else {
				t.Run("repaired", s.repaired)
			}
			wantNothing(t, s.repo)
		})
	}
}

// asInsecure: an insecure repository gets the same records.
func (s *secureRepo) asInsecure(t *testing.T) {
	code := strings.Replace(s.code, "--init", "--init --insecure", 1)
	if got := must(t, cmdtest.Scratch(t)+"/repo", code); got != s.records {
		t.Errorf("in an insecure repository come other records:\n%s\nthan in a secure one:\n%s", got, s.records)
	}
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

// TestInsecureAnyway: what is made with --insecure is insecure, also where it need not.
func TestInsecureAnyway(t *testing.T) {
	repo := needVerity(t) + "/repo"
	p := pulledInto(t, repo, imagetest.SmallLayers(t), "--insecure")
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

// TestSecureKilledInEnable kills an import while the kernel computes the digests of an object. ext4
// must not keep the inode in its list of orphans: the next mount would cut off the digests of the
// object that has that inode by then.
func TestSecureKilledInEnable(t *testing.T) {
	dir := needVerity(t)
	repo, image := dir+"/repo", dir+"/image"
	imagetest.Make(t, image, imagetest.Tar(t, imagetest.File("large", imagetest.Noise(1, 8<<20))))
	must(t, repo, "cfs-import --init </dev/null")
	for range 3 {
		enabled := false
		r := trapped(t, repo, "cfs-fetch oci:"+image+" | cfs-import --progress none", func(c trap.Call) error {
			if c.Nr == unix.SYS_IOCTL && !enabled {
				enabled = true
				time.AfterFunc(20*time.Millisecond, func() { trap.KillGroup(c.Group) })
			}
			return nil
		})
		if r.Status == 0 || !enabled {
			t.Errorf("not killed: %+v", r)
		}
	}
	if n := lastOrphan(t, dir); n != 0 {
		t.Errorf("inode %d is in the list of orphans", n)
	}
	must(t, repo, "cfs-pull --progress none oci:"+image+" t && cfs-gc --keep 0 && cfs-gc check --content && ! ls -A $COMPOSEFS_REPO/objects | grep tmp")
}

// lastOrphan returns s_last_orphan of the ext4 on which a folder is, which the kernel keeps in
// the same cache as the device.
func lastOrphan(t *testing.T, dir string) uint32 {
	t.Helper()
	const at = 1024 + 0xe8
	device, err := os.Open(strings.TrimSpace(must(t, "", "findmnt -n -o SOURCE -T "+dir)))
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	b := make([]byte, 4)
	if _, err := device.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	return binary.LittleEndian.Uint32(b)
}

// TestSecureKilled is TestKillAtEachCall for a secure repository.
func TestSecureKilled(t *testing.T) {
	p := newSecureRepo(t, verity.SHA256).pulled
	calls := p.countCalls(t, needVerity(t)+"/repo", trap.Any)
	for i, n := range cmdtest.Sample(calls, 25) {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			repo := t.TempDir() + "/repo"
			trapped(t, repo, p.code, trap.From(n, trap.Kill))
			p.recovers(t, repo, i)
		})
	}
}
