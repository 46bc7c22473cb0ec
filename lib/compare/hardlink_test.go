package compare_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"cfs/lib/compare"
	"cfs/lib/tree"
)

// linked makes a directory with names of a letter each: equal files, one for each
// word.
func linked(words string) *tree.Inode {
	root := tree.NewDir(0o755)
	for word := range strings.FieldsSeq(words) {
		n := &tree.Inode{Mode: unix.S_IFREG | 0o644}
		for _, name := range word {
			root.Put(string(name), n)
		}
	}
	return root
}

func TestHardlinks(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"ab c", "ab c", ""},
		{"abc", "ab c", `/c: hardlink /a -> -`},
		{"ab c", "abc", `/c: hardlink - -> /a`},
		{"abc", "a bc", `/b: hardlink /a -> -; /c: hardlink /a -> /b`},
		{"ab cd", "ac bd", `/b: hardlink /a -> -; /c: hardlink - -> /a; /d: hardlink /c -> /b`},
		{"abc", "bc", `/a: removed file -> -`}, // b and c are one in both
		{"bc", "abc", `/a: added - -> file`},
		{"abc", "b c", `/a: removed file -> -; /c: hardlink /b -> -`},
		{"abcd", "ab cd", `/c: hardlink /a -> -; /d: hardlink /a -> /c`},
	} {
		lines, _ := differences(t, compare.Tree{Root: linked(c.a)}, compare.Tree{Root: linked(c.b)})
		got := strings.ReplaceAll(strings.Join(lines, "; "), `"`, "")
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s against %s: %s", c.a, c.b, diff)
		}
	}
}

// What differs besides is told of once, under the first name.
func TestHardlinkAttributes(t *testing.T) {
	a, b := linked("abc d"), linked("abc d")
	b.Lookup("c").Mode |= 0o111
	lines, _ := differences(t, compare.Tree{Root: a}, compare.Tree{Root: b})
	if diff := cmp.Diff([]string{`"/a": mode "100644" -> "100755"`}, lines); diff != "" {
		t.Error(diff)
	}
}
