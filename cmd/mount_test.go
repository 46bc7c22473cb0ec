package cmd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
	"cfs/lib/verity"
)

// needComposefs skips a test where no composefs can be mounted.
func needComposefs(t *testing.T) {
	t.Helper()
	cmdtest.Slow(t)
	if why := noComposefs(); why != "" {
		t.Skip("SKIPPED: ", why)
	}
}

// noComposefs returns why this process can't mount, "" if it can.
func noComposefs() string {
	for _, name := range []string{"erofs", "overlay"} {
		fd, err := unix.Fsopen(name, unix.FSOPEN_CLOEXEC)
		if err != nil {
			return fmt.Sprintf("this process can't mount: fsopen %s: %v", name, err)
		}
		defer unix.Close(fd)
		// Before Linux 6.5, which it takes, overlayfs checks no option here.
		if unix.FsconfigSetString(fd, "nonsense", "x") == nil {
			return fmt.Sprintf("the %s of this kernel is older than Linux 6.5", name)
		}
	}
	return ""
}

// mounted runs cfs-mount with arguments, to which it adds a new directory, until the
// test ends.
func mounted(t *testing.T, repo, args string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	must(t, repo, "cfs-mount "+args+" "+cmdtest.Quote(dir))
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

func unmount(t *testing.T, dir string) {
	t.Helper()
	if err := unix.Unmount(dir, 0); err != nil {
		t.Fatal(err)
	}
}

// TestMountVectors mounts every image of the vectors and compares all that can be seen
// of it with the reference's dumpfile.
func TestMountVectors(t *testing.T) {
	t.Parallel()
	needComposefs(t)
	cases, err := filepath.Glob(vectors + "/*/*/layout")
	if err != nil || len(cases) == 0 {
		t.Skip("SKIPPED: the reference's vectors are not here: ", vectors)
	}
	for _, a := range []verity.Algorithm{verity.SHA256, verity.SHA512} {
		repo := filepath.Join(t.TempDir(), "repo")
		for i, layout := range cases {
			if i%2 != int(a)%2 && !cmdtest.Long() {
				continue // each with one algorithm
			}
			dir, err := filepath.Abs(filepath.Dir(layout))
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(filepath.Join(dir, "expected."+a.Name()+".dump"))
			if err != nil {
				continue // some have one algorithm
			}
			name := filepath.Base(dir)
			if _, ok := otherwise[name]; ok {
				continue // it is read as runtimes do, not as it was recorded
			}
			t.Run(a.Name()+" "+name, func(t *testing.T) {
				must(t, repo, "cfs-pull --init --insecure --algorithm fsverity-"+a.Name()+"-12 --platform linux/amd64 oci:"+cmdtest.Quote(dir)+"/layout "+name)
				got := dumpMounted(t, mounted(t, repo, name), a)
				if diff := cmp.Diff(strings.Split(mountable(string(want)), "\n"), strings.Split(got, "\n")); diff != "" {
					t.Error(diff)
				}
			})
		}
		must(t, repo, "cfs-gc check --content")
	}
}

// TestMount names an image in each way there is.
func TestMount(t *testing.T) {
	t.Parallel()
	needComposefs(t)
	p := undisturbed(t, imagetest.ManyFiles(t))
	// On a file system on which the kernel takes the image for a file of its own, and
	// on one where it does not.
	for _, base := range []string{t.TempDir(), cmdtest.Scratch(t)} {
		repo := base + "/repo"
		must(t, repo, p.code)
		image, manifest, config := p.digest(t, "image"), p.digest(t, "manifest"), p.digest(t, "config")
		must(t, repo, "cfs-mkerofs --oci "+tagName+" -o "+base+"/file")
		for _, operand := range []string{
			tagName, manifest, "@" + manifest, config, "@" + config, image,
			"-o ro " + tagName,
			"-o basedir=" + repo + "/objects " + base + "/file",
			"-o ro -o basedir=" + t.TempDir() + ":" + repo + "/objects " + base + "/file",
		} {
			dir := mounted(t, repo, operand)
			if got := dumpMounted(t, dir, verity.SHA512); got != p.dump {
				t.Errorf("%s: got\n%s\nwant\n%s", operand, got, p.dump)
			}
			if err := os.WriteFile(dir+"/new", nil, 0o644); !errors.Is(err, unix.EROFS) {
				t.Errorf("%s: writing: got %v, want EROFS", operand, err)
			}
			unmount(t, dir)
		}
	}
}

// TestMountReadWrite writes, renames and removes above an image, which stays as it is.
func TestMountReadWrite(t *testing.T) {
	t.Parallel()
	needComposefs(t)
	p := undisturbed(t, imagetest.SmallLayers(t))
	base := t.TempDir()
	var st unix.Statfs_t
	if err := unix.Statfs(base, &st); err == nil && st.Type == unix.OVERLAYFS_SUPER_MAGIC {
		t.Skipf("SKIPPED: %s is on an overlay itself, which can't be an upper layer", base)
	}
	repo, upper, work := base+"/repo", base+"/upper", base+"/work"
	must(t, repo, p.code+" && mkdir "+upper+" "+work)
	layers := "--upperdir " + upper + " --workdir " + work + " "
	dir := mounted(t, repo, layers+"--read-write "+tagName)
	must(t, "", "cd "+dir+` && echo new > usr/new && echo more >> usr/file1 && mv usr/file2 usr/renamed && rm usr/small0 && mkdir usr/dir && chmod 600 usr/same`)
	after := dumpMounted(t, dir, verity.SHA512)
	if after == p.dump || !strings.Contains(after, "/usr/renamed ") || strings.Contains(after, "/usr/small0 ") {
		t.Errorf("what was written is not there:\n%s", after)
	}
	unmount(t, dir)
	for args, writable := range map[string]bool{
		layers:                   false,
		layers + "--read-write ": true,
		"-o upperdir=" + upper + ",workdir=" + work + ",ro ": false,
		"-o upperdir=" + upper + ",workdir=" + work + " ":    true,
	} {
		dir := mounted(t, repo, args+tagName)
		if got := dumpMounted(t, dir, verity.SHA512); got != after {
			t.Errorf("%s: got\n%s\nwant\n%s", args, got, after)
		}
		f, err := os.OpenFile(dir+"/usr/new", os.O_WRONLY, 0)
		if f.Close(); writable != (err == nil) || !writable && !errors.Is(err, unix.EROFS) {
			t.Errorf("%s: opening for writing: %v", args, err)
		}
		unmount(t, dir)
	}
	if got := dumpMounted(t, mounted(t, repo, tagName), verity.SHA512); got != p.dump {
		t.Errorf("the image itself has changed:\n%s", got)
	}
	must(t, repo, "cfs-gc check --content")
}

// TestMountKeeps: what is mounted outlives its tag, until it is unmounted.
func TestMountKeeps(t *testing.T) {
	t.Parallel()
	needComposefs(t)
	p := undisturbed(t, imagetest.ManyFiles(t))
	repo := filepath.Join(t.TempDir(), "repo")
	must(t, repo, p.code)
	dir := mounted(t, repo, tagName)
	must(t, repo, "cfs-link untag "+tagName+" && cfs-gc")
	if got := dumpMounted(t, dir, verity.SHA512); got != p.dump {
		t.Errorf("after collecting: got\n%s\nwant\n%s", got, p.dump)
	}
	second := mounted(t, repo, p.digest(t, "image"))
	unmount(t, dir)
	must(t, repo, "cfs-gc && cfs-gc check")
	if got := dumpMounted(t, second, verity.SHA512); got != p.dump {
		t.Errorf("the second mount: got\n%s\nwant\n%s", got, p.dump)
	}
	unmount(t, second)
	wantError(t, shell(t, repo, "cfs-gc"), 1, "--allow-empty")
	must(t, repo, "cfs-gc --allow-empty")
	wantOnlyMeta(t, repo)
}
