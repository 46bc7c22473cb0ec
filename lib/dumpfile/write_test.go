package dumpfile

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/tree"
)

// Each byte is written as the table of the specification has it.
func TestWriteEscapes(t *testing.T) {
	for c := 1; c < 256; c++ {
		want := fmt.Sprintf(`\x%02x`, c)
		if c > 0x20 && c < 0x7f {
			want = string(rune(c))
		}
		for i, short := range map[int]string{'\\': `\\`, '\n': `\n`, '\r': `\r`, '\t': `\t`} {
			if c == i {
				want = short
			}
		}
		key := want
		if c == '=' {
			key = `\x3d`
		}
		s := "a" + string([]byte{byte(c)})
		root := tree.NewDir(0755)
		root.SetXattr(s, s)
		if c != '/' {
			root.Put(s, &tree.Inode{Mode: unix.S_IFLNK | 0777, Target: s})
			root.Put(s+"2", &tree.Inode{Mode: unix.S_IFREG, Size: 2, Inline: s})
		}
		got := string(written(t, root))
		expect := fmt.Sprintf("/ 0 40755 2 0 0 0 0.0 - - - a%s=a%s\n", key, key)
		if c != '/' {
			expect += fmt.Sprintf("/a%s 2 120777 1 0 0 0 0.0 a%s - -\n/a%s2 2 100000 1 0 0 0 0.0 - a%s -\n", want, want, want, want)
		}
		if got != expect {
			t.Errorf("byte %#x: got %q, want %q", c, got, expect)
		}
	}
}

// A tar can say what no dumpfile can: a symbolic link without a target. It is
// written as the reference writes it, which is in layers/04-types.
func TestWriteEmptyTarget(t *testing.T) {
	root := tree.NewDir(0755)
	root.Put("empty-target", &tree.Inode{Mode: unix.S_IFLNK | 0777})
	want := rootLine + "/empty-target 0 120777 1 0 0 0 0.0 - - -\n"
	if got := written(t, root); string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWriteOrder(t *testing.T) {
	root := tree.NewDir(0755)
	for _, name := range []string{"a.b", "a", "b"} {
		root.Put(name, tree.NewDir(0755))
	}
	root.Lookup("a").Put("x", tree.NewDir(0755))
	var paths []string
	for line := range strings.Lines(string(written(t, root))) {
		paths = append(paths, strings.Fields(line)[0])
	}
	if got := strings.Join(paths, " "); got != "/ /a /a/x /a.b /b" {
		t.Errorf("got %s", got)
	}
}

type fullDisk struct{ room int }

var errFull = errors.New("no room")

func (d *fullDisk) Write(p []byte) (int, error) {
	if d.room -= len(p); d.room < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestWriteError(t *testing.T) {
	root := tree.NewDir(0755)
	for i := range 10000 {
		root.Put(fmt.Sprint(i), tree.NewDir(0755))
	}
	for _, room := range []int{0, 100000} {
		if err := Write(&fullDisk{room}, root); !errors.Is(err, errFull) {
			t.Errorf("room for %d bytes: got %v", room, err)
		}
	}
}
