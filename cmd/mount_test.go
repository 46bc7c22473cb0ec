package cmd

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
	"cfs/lib/dumpfile"
	"cfs/lib/tree"
	"cfs/lib/verity"
)

// needComposefs skips a test where no composefs can be mounted.
func needComposefs(t *testing.T) {
	t.Helper()
	cmdtest.Slow(t)
	for _, name := range []string{"erofs", "overlay"} {
		fd, err := unix.Fsopen(name, unix.FSOPEN_CLOEXEC)
		if err != nil {
			t.Skipf("SKIPPED: this process can't mount: fsopen %s: %v", name, err)
		}
		// Before Linux 6.5, which it takes, overlayfs checks no option here.
		if unix.FsconfigSetString(fd, "nonsense", "x") == nil {
			t.Skipf("SKIPPED: the %s of this kernel is older than Linux 6.5", name)
		}
		unix.Close(fd)
	}
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

// readTree reads a directory as a tree: files of one inode number are hard links.
// What the mounted files are like is all that it knows.
func readTree(t *testing.T, dir string, a verity.Algorithm) *tree.Inode {
	t.Helper()
	r := treeReader{t, a, map[uint64]*tree.Inode{}, map[*tree.Inode]uint32{}}
	root := r.read(dir)
	links := tree.Links(root)
	for n, want := range r.nlink {
		if got := max(links[n], 1); got != want {
			t.Errorf("%d names of an inode with %d links: %+v", got, want, n)
		}
	}
	return root
}

type treeReader struct {
	t      *testing.T
	alg    verity.Algorithm
	inodes map[uint64]*tree.Inode
	nlink  map[*tree.Inode]uint32
}

func (r *treeReader) read(path string) *tree.Inode {
	r.t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		r.t.Fatalf("%s: %v", path, err)
	}
	n := &tree.Inode{Mode: st.Mode, UID: st.Uid, GID: st.Gid, Mtime: tree.Time{Sec: st.Mtim.Sec, Nsec: uint32(st.Mtim.Nsec)}}
	if !n.IsDir() {
		if again := r.inodes[st.Ino]; again != nil {
			return again
		}
		r.inodes[st.Ino], r.nlink[n] = n, uint32(st.Nlink)
	}
	r.xattrs(path, n)
	switch n.Type() {
	case unix.S_IFDIR:
		list, err := os.ReadDir(path)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, e := range list {
			n.Put(e.Name(), r.read(path+"/"+e.Name()))
		}
	case unix.S_IFREG:
		n.Size = uint64(st.Size)
		r.content(path, n)
	case unix.S_IFLNK:
		var err error
		if n.Target, err = os.Readlink(path); err != nil && st.Size > 0 {
			r.t.Errorf("%s: %v", path, err)
		}
	case unix.S_IFCHR, unix.S_IFBLK:
		n.Rdev = uint32(st.Rdev)
	}
	return n
}

func (r *treeReader) content(path string, n *tree.Inode) {
	r.t.Helper()
	data, err := os.ReadFile(path)
	switch {
	case err != nil:
		r.t.Error(err)
	case uint64(len(data)) != n.Size:
		r.t.Errorf("%s: %d bytes came, its size is %d", path, len(data), n.Size)
	case len(data) > tree.InlineMax:
		n.Object = r.alg.Sum(data)
	default:
		n.Inline = string(data)
	}
}

func (r *treeReader) xattrs(path string, n *tree.Inode) {
	r.t.Helper()
	names, value := make([]byte, 65536), make([]byte, 65536)
	size, err := unix.Llistxattr(path, names)
	if err != nil {
		r.t.Fatalf("%s: list xattrs: %v", path, err)
	}
	for name := range strings.SplitSeq(string(names[:size]), "\x00") {
		if name == "" || name == "security.selinux" { // which an SELinux host adds
			continue
		}
		k, err := unix.Lgetxattr(path, name, value)
		if err == unix.EINVAL && name == "security.capability" {
			continue // not one that the kernel knows: see mountable
		}
		if err != nil {
			r.t.Errorf("%s: %s: %v", path, name, err)
			continue
		}
		n.SetXattr(name, string(value[:k]))
	}
}

// dumpMounted returns the dumpfile of a mounted image as it was before it became one:
// overlayfs shows a whiteout as a file with marks, and marks its directory too.
func dumpMounted(t *testing.T, dir string, a verity.Algorithm) string {
	t.Helper()
	root := readTree(t, dir, a)
	for _, n := range tree.Walk(root) {
		if _, marked := n.Xattr("trusted.overlay.whiteout"); marked && n.IsRegular() && n.Size == 0 {
			n.Mode = unix.S_IFCHR | n.Mode&0o7777
		}
		n.Xattrs = slices.DeleteFunc(n.Xattrs, func(x tree.Xattr) bool {
			_, rest, ok := strings.Cut(x.Name, ".overlay.")
			return ok && slices.Contains([]string{"whiteout", "whiteouts", "opaque"}, rest)
		})
	}
	var b bytes.Buffer
	if err := dumpfile.Write(&b, root); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// mountable returns a dumpfile less what no mount can show: the owner -1, which is
// nobody's, and capabilities that are none.
func mountable(dump string) string {
	lines := strings.Split(dump, "\n")
	for i, line := range lines {
		field := strings.Fields(line)
		for j, f := range field {
			if (j == 4 || j == 5) && f == "4294967295" {
				field[j] = "65534" // /proc/sys/kernel/overflowuid
			}
			if value, ok := strings.CutPrefix(f, "security.capability="); ok && !isCapability(value) {
				field[j] = ""
			}
		}
		lines[i] = strings.TrimSpace(strings.Join(field, " "))
	}
	return strings.Join(lines, "\n")
}

// isCapability reports whether the kernel shows an escaped value: a struct
// vfs_cap_data of revision 2 or 3 without flags that mean nothing
// (include/uapi/linux/capability.h).
func isCapability(escaped string) bool {
	return regexp.MustCompile(`^\\x0[01]\\x00\\x00\\x0[23]`).MatchString(escaped)
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
			if i%2 != int(a)%2 && cmdtest.Soak(0, 1) == 0 {
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

// TestMountErrors: what cannot be mounted is told, and nothing is left mounted.
func TestMountErrors(t *testing.T) {
	t.Parallel()
	needComposefs(t)
	p := undisturbed(t, imagetest.SmallLayers(t))
	base := t.TempDir()
	repo, dir, artifact := base+"/repo", base+"/dir", t.TempDir()
	imagetest.MakeArtifact(t, artifact, "some blob")
	must(t, repo, p.code+" && cfs-pull oci:"+artifact+" artifact && mkdir "+dir)
	image := p.digest(t, "image")
	garbage := verity.SHA512.Sum([]byte("garbage"))
	must(t, repo, fmt.Sprintf("cd $COMPOSEFS_REPO && mkdir -p objects/%s && printf garbage > objects/%s && ln -s ../objects/%[2]s images/%s",
		garbage.ObjectPath()[:2], garbage.ObjectPath(), garbage))
	none := strings.Repeat("0", 64)
	for _, v := range []struct {
		args   string
		status int
		says   string
	}{
		{"none " + dir, 3, "none"},
		{"sha256:" + none + " " + dir, 3, "sha256:" + none},
		{none + none + " " + dir, 3, none},
		{"artifact " + dir, 1, "artifact is an artifact"},
		{tagName + " " + base + "/none", 3, base + "/none"},
		{tagName + " " + base + "/repo/meta.json", 1, "not a directory"},
		{garbage.String() + " " + dir, 4, garbage.String()},
		{"--repo " + base + "/none " + tagName + " " + dir, 3, base + "/none"},
		{"--require-verity " + tagName + " " + dir, 1, "repository " + repo + " is not protected by fs-verity"},
		{"--none " + tagName + " " + dir, 2, "none"},
		{"-o none " + tagName + " " + dir, 2, "none"},
		{"-o basedir= " + tagName + " " + dir, 2, "basedir="},
		{"-o digest=" + image + " " + tagName + " " + dir, 2, "basedir"},
		{"-o basedir=" + base + "/none " + repo + "/images/" + image + " " + dir, 3, base + "/none"},
		{"-o verity,basedir=" + repo + "/objects,digest=" + image + " " + repo + "/images/" + image + " " + dir, 1, "fs-verity"},
		{"--read-write " + tagName + " " + dir, 2, "--upperdir"},
		{"--upperdir " + base + " " + tagName + " " + dir, 2, "--workdir"},
		{"--upperdir " + base + "/none --workdir " + dir + " " + tagName + " " + dir, 3, base + "/none"},
		{tagName, 2, "DIR"},
		{tagName + " " + dir + " " + dir, 2, "DIR"},
	} {
		r := shell(t, repo, "cfs-mount "+v.args)
		wantError(t, r, v.status, "cfs-mount: ", v.says)
		if t.Failed() {
			t.Fatalf("cfs-mount %s", v.args)
		}
	}
	// The image in which a byte is another one, under its digest.
	object := repo + "/objects/" + image[:2] + "/" + image[2:]
	if err := flipByte(object, 2000); err != nil {
		t.Fatal(err)
	}
	wantError(t, shell(t, repo, "cfs-mount "+tagName+" "+dir), 4, image)
	if left := must(t, "", "grep "+base+" /proc/self/mountinfo || true"); left != "" {
		t.Errorf("left mounted:\n%s", left)
	}
}

// TestMountAsNobody: who may not mount is told so.
func TestMountAsNobody(t *testing.T) {
	t.Parallel()
	p := undisturbed(t, imagetest.SmallLayers(t))
	base := cmdtest.Scratch(t)
	must(t, base+"/repo", p.code+" && chmod 755 "+base+" $COMPOSEFS_REPO && mkdir "+base+"/dir")
	wantError(t, shellAsNobody(t, base+"/repo", "cfs-mount "+tagName+" "+base+"/dir"), 1, "operation not permitted", "hint: ", "root")
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
