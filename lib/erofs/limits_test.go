package erofs_test

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/erofs"
	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

const (
	inE1 = 1 << iota
	inE2
	nowhere = 0
)

func regular(content string) *tree.Inode {
	return &tree.Inode{Mode: unix.S_IFREG | 0o644, Inline: content, Size: uint64(len(content))}
}

func withXattr(name, value string) *tree.Inode {
	n := regular("x")
	n.SetXattr(name, value)
	return n
}

// What an image cannot hold is refused by Write, with the path.
func TestLimits(t *testing.T) {
	name := strings.Repeat("n", 255)
	id := verity.SHA256.Sum(nil)
	for _, c := range []struct {
		what  string
		name  string
		inode *tree.Inode
		held  int
	}{
		{"name of 255 bytes", name, regular(""), inE1 | inE2},
		{"name of 256 bytes", name + "n", regular(""), nowhere},
		{"empty name", "", regular(""), nowhere},
		{"dot", ".", regular(""), nowhere},
		{"dot dot", "..", regular(""), nowhere},
		{"slash", "a/b", regular(""), nowhere},
		{"NUL in a name", "a\x00", regular(""), nowhere},

		{"512 bytes inline", "f", regular(strings.Repeat("c", 512)), inE1 | inE2},
		{"513 bytes inline", "f", regular(strings.Repeat("c", 513)), inE1},
		{"5000 bytes inline", "f", regular(strings.Repeat("c", 5000)), inE1},
		{"5001 bytes inline", "f", regular(strings.Repeat("c", 5001)), nowhere},
		{"content of another size", "f", &tree.Inode{Mode: unix.S_IFREG, Inline: "ab", Size: 3}, nowhere},
		{"content and object", "f", &tree.Inode{Mode: unix.S_IFREG, Inline: "ab", Size: 2, Object: id}, nowhere},
		{"content and object path", "f", &tree.Inode{Mode: unix.S_IFREG, Inline: "ab", Size: 2, Payload: "p"}, nowhere},
		{"1024 chunks", "f", &tree.Inode{Mode: unix.S_IFREG, Size: 1 << 53, Object: id}, inE1 | inE2},
		{"1025 chunks", "f", &tree.Inode{Mode: unix.S_IFREG, Size: 1<<53 + 1, Object: id}, inE2},
		{"all sizes", "f", &tree.Inode{Mode: unix.S_IFREG, Size: 1<<64 - 1}, inE2},
		{"object path of 4095 bytes", "f", &tree.Inode{Mode: unix.S_IFREG, Size: 1, Payload: strings.Repeat("p", 4095)}, inE1 | inE2},
		{"object path of 4096 bytes", "f", &tree.Inode{Mode: unix.S_IFREG, Size: 1, Payload: strings.Repeat("p", 4096)}, nowhere},

		{"no target", "l", &tree.Inode{Mode: unix.S_IFLNK}, inE1 | inE2},
		{"target of 1024 bytes", "l", &tree.Inode{Mode: unix.S_IFLNK, Target: strings.Repeat("t", 1024)}, inE1 | inE2},
		{"target of 1025 bytes", "l", &tree.Inode{Mode: unix.S_IFLNK, Target: strings.Repeat("t", 1025)}, inE1},
		{"target of 4095 bytes", "l", &tree.Inode{Mode: unix.S_IFLNK, Target: strings.Repeat("t", 4095)}, inE1},
		{"target of 4096 bytes", "l", &tree.Inode{Mode: unix.S_IFLNK, Target: strings.Repeat("t", 4096)}, nowhere},
		{"NUL in a target", "l", &tree.Inode{Mode: unix.S_IFLNK, Target: "a\x00"}, nowhere},

		{"no type", "f", &tree.Inode{Mode: 0o644}, nowhere},
		{"unknown type", "f", &tree.Inode{Mode: 0o170644}, nowhere},
		{"second beyond", "f", &tree.Inode{Mode: unix.S_IFIFO, Mtime: tree.Time{Nsec: 1e9}}, nowhere},

		{"suffix of 255 bytes", "f", withXattr("user."+name, ""), inE1 | inE2},
		{"suffix of 256 bytes", "f", withXattr("user."+name+"n", ""), nowhere},
		{"suffix of 255 bytes when escaped", "f", withXattr("trusted.overlay."+name[:239], ""), inE1 | inE2},
		{"suffix of 256 bytes when escaped", "f", withXattr("trusted.overlay."+name[:240], ""), nowhere},
		{"suffix without prefix in E1", "f", withXattr("lustre."+name[:249], ""), inE2},
		{"xattr without a name", "f", withXattr("", "v"), nowhere},
		{"NUL in an xattr's name", "f", withXattr("user.\x00", "v"), nowhere},
		{"xattr of 32742 bytes", "f", withXattr("user.a", strings.Repeat("v", 32767-12-7-6)), inE1 | inE2},
		{"xattr of 32743 bytes", "f", withXattr("user.a", strings.Repeat("v", 32767-12-7-5)), inE2},
		{"xattr of 65535 bytes", "f", withXattr("user.a", strings.Repeat("v", 65535)), inE2},
		{"xattr of 65536 bytes", "f", withXattr("user.a", strings.Repeat("v", 65536)), nowhere},
		{"262136 bytes of xattrs", "f", manyXattrs(4, 65524), inE2},
		{"262144 bytes of xattrs", "f", manyXattrs(4, 65535), nowhere},
		{"xattrs out of order", "f", &tree.Inode{Mode: unix.S_IFIFO, Xattrs: []tree.Xattr{{Name: "b"}, {Name: "a"}}}, nowhere},
		{"xattr twice", "f", &tree.Inode{Mode: unix.S_IFIFO, Xattrs: []tree.Xattr{{Name: "a"}, {Name: "a"}}}, nowhere},
	} {
		root := tree.NewDir(0o755)
		dir := tree.NewDir(0o755)
		dir.Put(c.name, c.inode)
		root.Put("dir", dir)
		checkHeld(t, c.what, root, c.held, "/dir/")
	}
}

func manyXattrs(n, size int) *tree.Inode {
	inode := regular("x")
	for i := range n {
		inode.SetXattr("user."+string(rune('a'+i)), strings.Repeat("v", size))
	}
	return inode
}

func checkHeld(t *testing.T, what string, root *tree.Inode, held int, path string) {
	t.Helper()
	for _, v := range versions {
		layout := inE1
		if v == variant.V2 {
			layout = inE2
		}
		data, err := bytesOf(erofs.Write, root, v)
		switch {
		case held&layout == 0 && (err == nil || !strings.Contains(err.Error(), path)):
			t.Errorf("%s: V%d: error %v, want one with the path", what, v, err)
		case held&layout == 0 && len(data) > 0:
			t.Errorf("%s: V%d: wrote %d bytes all the same", what, v, len(data))
		case held&layout != 0 && err != nil:
			t.Errorf("%s: V%d: %v", what, v, err)
		case held&layout != 0:
			readTree(t, data)
		}
	}
}

// What no image can hold whatever its inodes are.
func TestLimitsOfTrees(t *testing.T) {
	linked := tree.NewDir(0o755)
	linked.Put("whiteout", &tree.Inode{Mode: unix.S_IFCHR})
	linked.Put("also", linked.Lookup("whiteout"))
	checkHeld(t, "whiteout with two names", linked, nowhere, "/whiteout")

	twice := tree.NewDir(0o755)
	twice.Put("a", tree.NewDir(0o755))
	twice.Put("b", twice.Lookup("a"))
	checkHeld(t, "directory with two names", twice, nowhere, "/b")

	for depth, held := range map[int]int{2048: inE1 | inE2, 2049: nowhere} {
		deep := tree.NewDir(0o755)
		for dir, i := deep, 0; i < depth; i++ {
			dir.Put("d", tree.NewDir(0o755))
			dir = dir.Lookup("d")
		}
		checkHeld(t, "deep directory", deep, held, "/d/d/d")
	}

	shared := tree.NewDir(0o755)
	for _, name := range []string{"a", "b"} {
		n := regular("x")
		for i := range 256 {
			n.SetXattr("user."+string([]byte{byte('a' + i/16), byte('a' + i%16)}), "")
		}
		shared.Put(name, n)
	}
	checkHeld(t, "256 shared xattrs", shared, inE1, "/a")

	if err := erofs.Write(nil, regular(""), variant.V1); err == nil {
		t.Error("a file was taken for a root")
	}
	if err := erofs.Write(nil, tree.NewDir(0), 3); err == nil {
		t.Error("version 3 was taken")
	}
}

type failingWriter struct{ left int }

var errFull = errors.New("full")

func (w *failingWriter) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// An error of the writer below comes out.
func TestWriteError(t *testing.T) {
	root := newForest(1, variant.V1).tree(2000)
	for _, left := range []int{0, 1 << 16, 1 << 17} {
		if err := erofs.Write(&failingWriter{left}, root, variant.V1); !errors.Is(err, errFull) {
			t.Errorf("after %d bytes: error %v, want %v", left, err, errFull)
		}
	}
}
