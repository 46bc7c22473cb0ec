package mount

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/erofs"
	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// needMounts skips a test where nothing can be mounted.
func needMounts(t *testing.T) {
	t.Helper()
	for _, name := range []string{"erofs", "overlay"} {
		c, err := open(name)
		if err != nil {
			t.Skipf("SKIPPED: this process can't mount: %v", err)
		}
		defer c.close()
		// An overlayfs that does not check its options yet takes this one.
		if c.setString("nonsense", "x") == nil {
			t.Skipf("SKIPPED: the %s of this kernel is older than Linux 6.5", name)
		}
	}
}

// needUpper skips a test where a directory can't be an upper layer.
func needUpper(t *testing.T, dir string) {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	if st.Type == unix.OVERLAYFS_SUPER_MAGIC {
		t.Skipf("SKIPPED: %s is on an overlay itself, which can't be an upper layer", dir)
	}
}

// store is a directory of objects, as a repository has it.
type store struct {
	t   *testing.T
	alg verity.Algorithm
	dir string
}

func newStore(t *testing.T, a verity.Algorithm) store { return store{t, a, t.TempDir()} }

// put stores an object under the given ID, which a test may choose wrong, and
// returns its path.
func (s store) put(id verity.ID, data string) string {
	s.t.Helper()
	name := filepath.Join(s.dir, "objects", id.ObjectPath())
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		s.t.Fatal(err)
	}
	writeFile(s.t, name, data)
	return name
}

// file returns a file whose content, large(text), is an object of the store.
func (s store) file(text string) *tree.Inode {
	s.t.Helper()
	data := large(text)
	id := s.alg.Sum([]byte(data))
	s.put(id, data)
	return &tree.Inode{Mode: unix.S_IFREG | 0o644, Size: uint64(len(data)), Object: id}
}

// large is a content too long to be inline, and more than a page.
func large(text string) string { return strings.Repeat(text+"\n", 5000/len(text)) }

// open returns the objects directory as Mount wants it.
func (s store) open() []*os.File {
	s.t.Helper()
	return []*os.File{openFile(s.t, filepath.Join(s.dir, "objects"))}
}

// image writes the EROFS image of a tree and returns it open.
func (s store) image(root *tree.Inode) *os.File { return s.imageOf(root, variant.V1) }

func (s store) imageOf(root *tree.Inode, v variant.Format) *os.File {
	s.t.Helper()
	var b bytes.Buffer
	if err := erofs.Write(&b, root, v); err != nil {
		s.t.Fatal(err)
	}
	name := filepath.Join(s.dir, "image")
	writeFile(s.t, name, b.String())
	return openFile(s.t, name)
}

// sampleTree has a file of every kind.
func sampleTree(s store) *tree.Inode {
	root := tree.NewDir(0o755)
	root.Mtime = tree.Time{Sec: 1000}
	dir := tree.NewDir(0o2750)
	dir.UID, dir.GID, dir.Mtime = 1000, 1001, tree.Time{Sec: 1700000000, Nsec: 123456789}
	root.Put("dir", dir)
	dir.SetXattr("user.dir", "of a directory")

	big := s.file("large")
	big.Mode, big.UID, big.GID = unix.S_IFREG|0o4755, 70000, 80000
	big.Mtime = tree.Time{Sec: -5, Nsec: 7}
	big.SetXattr("user.note", "some\x00thing")
	big.SetXattr("trusted.note", "")
	big.SetXattr("trusted.overlay.opaque", "y") // is the image's own, not ours
	dir.Put("large", big)
	dir.Put("hard link", big)
	dir.Put("small", &tree.Inode{Mode: unix.S_IFREG | 0o600, Size: 64, Inline: strings.Repeat("s", 64)})
	dir.Put("empty", &tree.Inode{Mode: unix.S_IFREG})
	dir.Put("link", &tree.Inode{Mode: unix.S_IFLNK | 0o777, Target: "large"})

	dev := tree.NewDir(0o755)
	root.Put("dev", dev)
	dev.Put("null", &tree.Inode{Mode: unix.S_IFCHR | 0o666, Rdev: 1<<8 | 3})
	dev.Put("disk", &tree.Inode{Mode: unix.S_IFBLK | 0o660, Rdev: 254<<8 | 1})
	dev.Put("fifo", &tree.Inode{Mode: unix.S_IFIFO | 0o600})
	dev.Put("sock", &tree.Inode{Mode: unix.S_IFSOCK | 0o600})
	for _, name := range []string{"\xff\xfe", "a\nb", strings.Repeat("n", 255)} {
		dev.Put(name, s.file(name))
	}
	return root
}

// compare says where a mounted directory is not the tree.
func compare(t *testing.T, dir string, root *tree.Inode) {
	t.Helper()
	links := tree.Links(root)
	var want, got []string
	for path, n := range tree.Walk(root) {
		want = append(want, filepath.Join(dir, path))
		nlink := max(links[n], 1)
		if n.IsDir() {
			nlink = 2 + n.Subdirs()
		}
		compareStat(t, filepath.Join(dir, path), n, nlink)
		compareXattrs(t, filepath.Join(dir, path), n)
		compareContent(t, filepath.Join(dir, path), n)
	}
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		got = append(got, path)
		return err
	})
	slices.Sort(want)
	slices.Sort(got)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("names %q, %v, want %q", got, err, want)
	}
}

func compareStat(t *testing.T, path string, n *tree.Inode, nlink uint32) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Errorf("%s: %v", path, err)
		return
	}
	got := tree.Inode{Mode: st.Mode, UID: st.Uid, GID: st.Gid, Rdev: uint32(st.Rdev), Mtime: tree.Time{Sec: st.Mtim.Sec, Nsec: uint32(st.Mtim.Nsec)}}
	if n.IsRegular() {
		got.Size = uint64(st.Size)
	}
	if got.Mode != n.Mode || got.UID != n.UID || got.GID != n.GID || got.Rdev != n.Rdev || got.Mtime != n.Mtime || got.Size != n.Size {
		t.Errorf("%s: got %+v, want %+v", path, got, n)
	}
	if uint32(st.Nlink) != nlink {
		t.Errorf("%s: %d links, want %d", path, st.Nlink, nlink)
	}
}

func compareXattrs(t *testing.T, path string, n *tree.Inode) {
	t.Helper()
	buf := make([]byte, 65536)
	size, err := unix.Llistxattr(path, buf)
	if err != nil {
		t.Errorf("%s: list xattrs: %v", path, err)
		return
	}
	var got []tree.Xattr
	for name := range strings.SplitSeq(strings.TrimSuffix(string(buf[:size]), "\x00"), "\x00") {
		if name == "" || name == "security.selinux" { // which an SELinux host adds
			continue
		}
		value := make([]byte, 65536)
		size, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			t.Errorf("%s: %s: %v", path, name, err)
			continue
		}
		got = append(got, tree.Xattr{Name: name, Value: string(value[:size])})
	}
	slices.SortFunc(got, func(a, b tree.Xattr) int { return strings.Compare(a.Name, b.Name) })
	if !slices.Equal(got, n.Xattrs) {
		t.Errorf("%s: xattrs %q, want %q", path, got, n.Xattrs)
	}
}

func compareContent(t *testing.T, path string, n *tree.Inode) {
	t.Helper()
	switch {
	case n.IsSymlink():
		if got, err := os.Readlink(path); err != nil || got != n.Target {
			t.Errorf("%s: target %q, %v, want %q", path, got, err, n.Target)
		}
	case n.IsRegular():
		data, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
		} else if id := n.Object; !id.IsZero() && id.Algorithm().Sum(data) != id || id.IsZero() && string(data) != n.Inline {
			t.Errorf("%s: content %.50q", path, data)
		}
	}
}

// mounted mounts at a new directory until the test ends, and returns it.
func mounted(t *testing.T, image *os.File, objects []*os.File, o Options, w ways) string {
	t.Helper()
	dir := t.TempDir()
	if err := mount(image, objects, dir, o, w); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

func unmount(t *testing.T, dir string) {
	t.Helper()
	if err := unix.Unmount(dir, 0); err != nil {
		t.Fatal(err)
	}
}

func openFile(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func writeFile(t *testing.T, name, data string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
}

func wantFile(t *testing.T, name, want string) {
	t.Helper()
	got, err := os.ReadFile(name)
	if err != nil || string(got) != want {
		t.Errorf("%s: got %.50q, %v, want %.50q", name, got, err, want)
	}
}

// userNamespace returns a user namespace that maps IDs from 0 on to first and on.
func userNamespace(t *testing.T, first int) *os.File {
	t.Helper()
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: first, Size: 65536}}
	cmd := exec.Command("cat")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, UidMappings: ids, GidMappings: ids}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.ENOSPC) {
		t.Skipf("SKIPPED: no user namespaces here: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		cmd.Wait()
	})
	return openFile(t, fmt.Sprintf("/proc/%d/ns/user", cmd.Process.Pid))
}
