package cmd

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/dumpfile"
	"cfs/lib/tree"
	"cfs/lib/verity"
)

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
