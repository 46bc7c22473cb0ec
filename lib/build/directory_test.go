package build_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cfs/lib/build"
	"cfs/lib/dumpfile"
	"cfs/lib/internal/repotest"
	"cfs/lib/repo"
	"cfs/lib/tolerance"
	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

const (
	policyConfig = "SELINUXTYPE=mine\n"
	policyRules  = "/.*\tany_t\n/usr(/.*)?\tusr_t\n/a/path/that/is/not/there/at/all\tnowhere_t\n" // an object
)

// makeDir makes a directory of files by their paths, all of one old time. A path that ends in
// a slash is a directory.
func makeDir(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for path, content := range files {
		full := filepath.Join(dir, path)
		if strings.HasSuffix(path, "/") {
			must(t, os.MkdirAll(full, 0o755))
			continue
		}
		must(t, os.MkdirAll(filepath.Dir(full), 0o755))
		must(t, os.WriteFile(full, []byte(content), 0o644))
	}
	must(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Chtimes(path, time.Unix(1e9, 5e8), time.Unix(1e9, 5e8)))
	}))
	return dir
}

func bootFiles() map[string]string {
	return map[string]string{
		"boot/kernel": long, "sysroot/": "", "run/gone": "x", "usr/large": long, "usr/small": "s",
		"etc/selinux/config": policyConfig, "etc/selinux/mine/contexts/files/file_contexts": policyRules,
	}
}

func readDir(t *testing.T, in build.Input, d build.Directory) *build.Recipe {
	t.Helper()
	recipe, err := in.Directory(d)
	if err != nil {
		t.Fatal(err)
	}
	return recipe
}

// paths returns the paths in a tree.
func paths(root *tree.Inode) (list []string) {
	for path := range tree.Walk(root) {
		list = append(list, path)
	}
	return list
}

// TestDirectory: a directory is read in the canonical form, or as it is; in the latter it is
// what its dumpfile says.
func TestDirectory(t *testing.T) {
	dir := makeDir(t, bootFiles())
	must(t, os.Chmod(dir, 0o700))
	canonical := readDir(t, build.Input{}, build.Directory{Path: dir})
	if root := canonical.Root; !canonical.UnsignedTimes || canonical.Stored || root.Mode&0o777 != 0o755 || root.Lookup("run").Len() != 0 {
		t.Errorf("not canonical: %+v", canonical)
	}
	asIs := readDir(t, build.Input{}, build.Directory{Path: dir, AsIs: true})
	if root := asIs.Root; asIs.UnsignedTimes || root.Mode&0o777 != 0o700 || root.Lookup("run").Len() != 1 {
		t.Errorf("not as it is: %+v", asIs)
	}
	if canonical.Algorithm != verity.SHA512 || canonical.Format != variant.V1 {
		t.Errorf("%s, format %d", canonical.Algorithm, canonical.Format)
	}
	var dump bytes.Buffer
	must(t, dumpfile.Write(&dump, asIs.Root))
	if digestOf(t, readDump(t, build.Input{}, dump.String())) != digestOf(t, asIs) {
		t.Error("its dumpfile makes another image")
	}
	old := readDir(t, build.Input{Algorithm: verity.SHA256, Formats: []variant.Format{variant.V2}}, build.Directory{Path: dir, Epoch: true, Threads: 2})
	if old.Root.Mtime != (tree.Time{}) || old.Algorithm != verity.SHA256 || old.Format != variant.V2 {
		t.Errorf("at the epoch: %+v, %s, format %d", old.Root.Mtime, old.Algorithm, old.Format)
	}
}

// TestDirectoryStored: the content of files is stored, in a repository of any hash or in a
// digest store, once; reading again stores nothing.
func TestDirectoryStored(t *testing.T) {
	dir := makeDir(t, bootFiles())
	repotest.EachAlgorithm(t, func(t *testing.T, a verity.Algorithm) {
		r, store := repotest.New(t, a), filepath.Join(t.TempDir(), "new/store")
		object := a.Sum([]byte(long)).ObjectPath()
		for range 2 {
			recipe := readDir(t, build.Input{Repo: r}, build.Directory{Path: dir, AsIs: true})
			if recipe.Algorithm != a || !recipe.Stored {
				t.Errorf("by %s, stored: %v", recipe.Algorithm, recipe.Stored)
			}
			plain := readDir(t, build.Input{Algorithm: a}, build.Directory{Path: dir, AsIs: true, DigestStore: store})
			if digestOf(t, plain) != digestOf(t, recipe) || plain.Stored {
				t.Error("with a digest store it is another image")
			}
			for _, file := range []string{r.Path + "/objects/" + object, store + "/" + object} {
				if got, err := os.ReadFile(file); err != nil || string(got) != long {
					t.Errorf("%s: %q, %v", file, got, err)
				}
			}
			id, err := recipe.Store(r, "")
			if err != nil || id != digestOf(t, recipe) {
				t.Errorf("stored as %s, %v", id, err)
			}
		}
		policy := a.Sum([]byte(policyRules)).ObjectPath()
		wantNames(t, store, slices.Sorted(slices.Values([]string{object[:2], policy[:2]}))...)
	})
}

// TestDirectoryXattrs: which extended attributes are kept.
func TestDirectoryXattrs(t *testing.T) {
	dir := makeDir(t, map[string]string{"usr/f": "x"})
	for _, name := range []string{"user.a", "trusted.b"} {
		if err := unix.Setxattr(dir+"/usr/f", name, []byte("v"), 0); err != nil {
			t.Skipf("%s: %v", name, err)
		}
	}
	for want, d := range map[string]build.Directory{
		"":                 {},
		"user.a":           {Xattrs: variant.KeepUserXattrs},
		"trusted.b user.a": {AsIs: true},
		"user.a ":          {AsIs: true, UserXattrs: true},
		" ":                {AsIs: true, SkipXattrs: true},
		"  ":               {UserXattrs: true},
		"user.a  ":         {Xattrs: variant.KeepUserXattrs, UserXattrs: true},
		"   ":              {Xattrs: variant.KeepUserXattrs, SkipXattrs: true},
	} {
		d.Path = dir
		var names []string
		for _, x := range readDir(t, build.Input{}, d).Root.Lookup("usr").Lookup("f").Xattrs {
			if !strings.HasPrefix(x.Name, "security.") { // which the kernel may give any file
				names = append(names, x.Name)
			}
		}
		if got := strings.Join(names, " "); got != strings.TrimSpace(want) {
			t.Errorf("%+v: %q, want %q", d, got, want)
		}
	}
}

// TestDirectoryKinds: devices and hard links are kept, or not.
func TestDirectoryKinds(t *testing.T) {
	dir := makeDir(t, map[string]string{"usr/a": "x"})
	must(t, os.Link(dir+"/usr/a", dir+"/usr/b"))
	usr := readDir(t, build.Input{}, build.Directory{Path: dir}).Root.Lookup("usr")
	if usr.Lookup("a") != usr.Lookup("b") {
		t.Error("a hard link became a file")
	}
	usr = readDir(t, build.Input{}, build.Directory{Path: dir, SplitLinks: true}).Root.Lookup("usr")
	if usr.Lookup("a") == usr.Lookup("b") {
		t.Error("a hard link is still one")
	}
	if err := unix.Mknod(dir+"/usr/null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil {
		t.Skip(err)
	}
	for _, skip := range []bool{false, true} {
		usr := readDir(t, build.Input{}, build.Directory{Path: dir, SkipDevices: skip}).Root.Lookup("usr")
		if (usr.Lookup("null") == nil) != skip {
			t.Errorf("devices left out: %v", !skip)
		}
	}
}

// TestDirectoryBootable: the boot variant of a directory is that of the container image with
// the same files. The policy is read from the directory, whatever its files are.
func TestDirectoryBootable(t *testing.T) {
	dir := makeDir(t, bootFiles())
	recipe := readDir(t, build.Input{}, build.Directory{Path: dir, Bootable: true})
	if root := recipe.Root; root.Lookup("boot").Len() != 0 || label(root.Lookup("usr").Lookup("small")) != "usr_t" {
		t.Errorf("%q, label %q", paths(root), label(root.Lookup("usr").Lookup("small")))
	}
	config := dir + "/etc/selinux/config"
	must(t, os.Remove(config))
	must(t, os.Symlink("/etc/hostname", config))
	wantError(t, build.Input{}, build.Directory{Path: dir, Bootable: true}, dir+": boot image: SELinux policy: ")
	must(t, os.RemoveAll(dir+"/boot"))
	wantError(t, build.Input{}, build.Directory{Path: dir, Bootable: true}, dir+": boot image: /boot is missing")
}

func label(n *tree.Inode) string {
	value, _ := n.Xattr("security.selinux")
	return strings.TrimSuffix(value, "\x00")
}

func wantError(t *testing.T, in build.Input, d build.Directory, want string) {
	t.Helper()
	if _, err := in.Directory(d); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

// TestDirectoryNot: what cannot be read, or not stored.
func TestDirectoryNot(t *testing.T) {
	dir := makeDir(t, map[string]string{"a": long})
	if _, err := (build.Input{}).Directory(build.Directory{Path: dir + "/none"}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no such directory: %v", err)
	}
	if _, err := (build.Input{Rules: tolerance.Strict(true)}).Directory(build.Directory{Path: dir}); !errors.Is(err, tolerance.ErrRefused) {
		t.Errorf("without /usr: %v", err)
	}
	if _, err := (build.Input{Rules: tolerance.Strict(true)}).Directory(build.Directory{Path: dir, AsIs: true}); err != nil {
		t.Error(err)
	}
	wantError(t, build.Input{}, build.Directory{Path: dir, DigestStore: dir + "/a"}, "mkdir ")
	r := repotest.New(t, verity.SHA256)
	closed, err := repo.Peek(r.Path)
	must(t, err)
	must(t, closed.Close())
	before := repotest.List(t, r)
	if _, err := (build.Input{Repo: closed}).Directory(build.Directory{Path: dir}); err == nil {
		t.Error("stored in a repository that is closed")
	}
	repotest.WantList(t, r, before)
	if slices.ContainsFunc(before, func(line string) bool { return strings.HasPrefix(line, "objects/") }) {
		t.Errorf("%q", before)
	}
}
