package scan_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/tree"
	"cfs/lib/verity"
)

// scratch returns a folder for trees, on a tmpfs where there is one: those take all
// times, and xattrs of any size.
func scratch(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "cfs-scan-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// maker makes the files of a tree on disk.
type maker struct {
	content func(verity.ID) []byte
	made    map[*tree.Inode]string // where a leaf got its first name
}

// makeTree makes the directory at path, which must not be there, what the tree says.
func makeTree(path string, root *tree.Inode, content func(verity.ID) []byte) error {
	m := maker{content, make(map[*tree.Inode]string)}
	return m.make(path, root)
}

func (m *maker) make(path string, n *tree.Inode) error {
	if first, again := m.made[n]; again {
		return os.Link(first, path)
	}
	var err error
	switch n.Type() {
	case unix.S_IFDIR:
		err = os.Mkdir(path, 0o700)
		for _, e := range n.Entries() {
			if err == nil {
				err = m.make(path+"/"+e.Name, e.Inode)
			}
		}
	case unix.S_IFREG:
		data := []byte(n.Inline)
		if !n.Object.IsZero() {
			data = m.content(n.Object)
		}
		err = os.WriteFile(path, data, 0o600)
	case unix.S_IFLNK:
		err = os.Symlink(n.Target, path)
	default:
		err = unix.Mknod(path, n.Type()|0o600, int(n.Rdev))
	}
	if err != nil {
		return err
	}
	if !n.IsDir() {
		m.made[n] = path
	}
	return setMetadata(path, n)
}

// setMetadata sets the owner first, for that takes security.capability away.
func setMetadata(path string, n *tree.Inode) error {
	if err := os.Lchown(path, int(n.UID), int(n.GID)); err != nil {
		return err
	}
	for _, x := range n.Xattrs {
		if err := unix.Lsetxattr(path, x.Name, []byte(x.Value), 0); err != nil {
			return fmt.Errorf("%s: set %s of %d bytes: %w", path, x.Name, len(x.Value), err)
		}
	}
	if !n.IsSymlink() {
		if err := unix.Chmod(path, n.Mode&0o7777); err != nil {
			return err
		}
	}
	t := []unix.Timespec{{Sec: n.Mtime.Sec}, {Sec: n.Mtime.Sec, Nsec: int64(n.Mtime.Nsec)}}
	return unix.UtimesNanoAt(unix.AT_FDCWD, path, t, unix.AT_SYMLINK_NOFOLLOW)
}

// readTree is another way to do what Scan does: by paths, one after the other.
func readTree(t testing.TB, path string, a verity.Algorithm) *tree.Inode {
	t.Helper()
	type key struct{ dev, ino uint64 }
	seen := make(map[key]*tree.Inode)
	dirs := make(map[string]*tree.Inode)
	err := filepath.WalkDir(path, func(name string, _ os.DirEntry, err error) error {
		var st unix.Stat_t
		if err == nil {
			err = unix.Lstat(name, &st)
		}
		if err != nil {
			return err
		}
		n, again := seen[key{st.Dev, st.Ino}]
		if !again {
			n = readInode(t, name, &st, a)
			seen[key{st.Dev, st.Ino}] = n
		}
		if n.IsDir() {
			dirs[name] = n
		}
		if name != path {
			dirs[filepath.Dir(name)].Put(filepath.Base(name), n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return dirs[path]
}

func readInode(t testing.TB, name string, st *unix.Stat_t, a verity.Algorithm) *tree.Inode {
	t.Helper()
	n := &tree.Inode{Mode: st.Mode, UID: st.Uid, GID: st.Gid, Mtime: tree.Time{Sec: st.Mtim.Sec, Nsec: uint32(st.Mtim.Nsec)}}
	var err error
	switch n.Type() {
	case unix.S_IFREG:
		var data []byte
		data, err = os.ReadFile(name)
		n.Size = uint64(len(data))
		if len(data) > 64 {
			n.Object = a.Sum(data)
		} else {
			n.Inline = string(data)
		}
	case unix.S_IFLNK:
		n.Target, err = os.Readlink(name)
	case unix.S_IFCHR, unix.S_IFBLK:
		n.Rdev = uint32(st.Rdev)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range listXattrs(t, name) {
		value := make([]byte, 1<<16)
		size, err := unix.Lgetxattr(name, x, value)
		if err != nil {
			t.Fatal(err)
		}
		n.SetXattr(x, string(value[:size]))
	}
	return n
}

func listXattrs(t testing.TB, name string) (names []string) {
	t.Helper()
	list := make([]byte, 1<<16)
	size, err := unix.Llistxattr(name, list)
	if err != nil {
		t.Fatal(err)
	}
	begin := 0
	for i, c := range list[:size] {
		if c == 0 {
			names = append(names, string(list[begin:i]))
			begin = i + 1
		}
	}
	return names
}
